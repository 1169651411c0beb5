"""Meeting a size, a rate or a PSNR: a search over the step index.

Size falls and error grows with the step, nearly exponentially and smoothly, so
interpolation between the nearest results finds the step in a few encodings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from vqcodec.errors import TargetError
from vqcodec.photo.options import Options

if TYPE_CHECKING:
    from vqcodec.photo.job import Coded, Job

_LAST = 216
_FIRST_GUESS = 92
_TOLERANCE = 0.02
_STEPS_PER_E = 34.0  # steps that divide the size by e
_STEPS_PER_DB = 4.0
_REFINEMENTS = 8


def search(job: Job, options: Options, overhead: int) -> Coded:
    """Return the encoding that meets the target best.

    Parameters
    ----------
    job : Job
    options : Options
        One of `bpp`, `psnr` and `size` is set.
    overhead : int
        Bytes of metadata, which count towards a size or rate.

    Raises
    ------
    TargetError
        Not even the coarsest or finest step meets it.
    """
    if options.psnr is not None:
        return _search_psnr(job, options.psnr)
    height, width = job.samples.shape[:2]
    wanted = options.size if options.size is not None else (options.bpp or 0) * height * width / 8
    goal = math.log(wanted)

    def excess(coded: Coded) -> float:
        return math.log(len(coded.pack([])) + overhead) - goal

    low, high, coarse = _bracket(job.run, excess, _STEPS_PER_E)
    if coarse is None or excess(coarse) > (_TOLERANCE if options.size is None else 0):
        raise TargetError(f"the image does not fit into {math.floor(wanted)} bytes")

    def miss(coded: Coded) -> float:
        return abs(excess(coded)) if options.size is None or excess(coded) <= 0 else math.inf

    # Between two steps, the finer one with a dearer bit comes nearer.
    best = coarse
    least, most = 1.0, 1.6
    for _ in range(_REFINEMENTS):
        if low is None or miss(best) < _TOLERANCE / 2:
            break
        factor = (least + most) / 2
        trial = job.run(high - 1, factor)
        if excess(trial) > 0:
            least = factor
        else:
            most = factor
        best = min(best, trial, key=miss)
    return best


def _search_psnr(job: Job, psnr: float) -> Coded:
    """Return the coarsest encoding that reaches a PSNR."""
    low, _, _ = _bracket(job.run, lambda coded: coded.psnr - psnr, _STEPS_PER_DB)
    if low is None:
        raise TargetError(f"no step reaches a PSNR of {psnr} dB")
    return low


def _bracket(
    run: Callable[[int], Coded], excess: Callable[[Coded], float], scale: float
) -> tuple[Coded | None, int, Coded | None]:
    """Find the step where `excess`, which falls with the step, changes sign.

    Returns the last encoding with an excess of at least zero, the step after
    it and its encoding; None where the scale ends. `scale` is steps for a unit
    of excess.
    """
    low, high = -1, _LAST + 1
    low_excess = high_excess = 0.0
    above: Coded | None = None
    below: Coded | None = None
    guess = _FIRST_GUESS
    while high - low > 1:
        coded = run(guess)
        value = excess(coded)
        if value >= 0:
            low, low_excess, above = guess, value, coded
        else:
            high, high_excess, below = guess, value, coded
        if above is None or below is None:
            guess += round(value * scale * 1.2)
        else:
            guess = low + round((high - low) * low_excess / max(1e-9, low_excess - high_excess))
        guess = min(high - 1, max(low + 1, guess))
    return above, high, below
