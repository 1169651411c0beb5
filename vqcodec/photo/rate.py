"""Meeting a size, a rate or a PSNR: a search over the step index.

Size falls and error grows with the step, nearly exponentially and smoothly, so
interpolation between the nearest results finds the step in a few encodings.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vqcodec.errors import TargetError
from vqcodec.photo.options import Options

if TYPE_CHECKING:
    from vqcodec.photo.codec import Coded, Job

_LAST = 216
_FIRST_GUESS = 92
_TOLERANCE = 0.02


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
    height, width = job.samples.shape[:2]
    if options.psnr is not None:
        goal = options.psnr

        def value(coded: Coded) -> float:
            return -coded.psnr

        goal = -goal
    else:
        wanted = options.size if options.size is not None else options.bpp * height * width / 8  # type: ignore[operator]
        goal = math.log(wanted)

        def value(coded: Coded) -> float:
            return math.log(len(coded.pack([])) + overhead)

    # Invariant: `fine` is too large or too good, `coarse` meets the target.
    results: dict[int, Coded] = {}

    def at(step: int) -> float:
        if step not in results:
            results[step] = job.run(step)
        return value(results[step])

    psnr = options.psnr is not None
    # Both values fall with the step for sizes; -PSNR rises with it. Make them fall.
    sign = -1.0 if psnr else 1.0
    low, high = 0, _LAST  # value(low) >= goal >= value(high), in falling terms
    guess = _FIRST_GUESS
    low_value = high_value = None
    while high - low > 1:
        here = sign * at(guess)
        if here > sign * goal:
            low, low_value = guess, here
        else:
            high, high_value = guess, here
        if low_value is None or high_value is None:
            near = here - sign * goal
            slope = 24 / (6.0 if psnr else 0.7)  # steps for a dB, or for a factor of e
            guess += round(near * slope * (1.2 if low_value is None or high_value is None else 1))
        else:
            share = (low_value - sign * goal) / max(1e-9, low_value - high_value)
            guess = low + round(share * (high - low))
        guess = min(high - 1, max(low + 1, guess))
    if psnr:
        best = low if at(low) <= goal else None
        if best is None:
            raise TargetError(f"no step reaches a PSNR of {options.psnr} dB")
        return results[best]
    candidates = [step for step in (low, high) if at(step) is not None]
    if options.size is not None:
        fits = [step for step in candidates if at(step) <= goal]
        if not fits:
            raise TargetError(f"the image does not fit into {options.size} bytes")
        return results[min(fits)]
    best_step = min(candidates, key=lambda step: abs(at(step) - goal))
    if at(best_step) > goal + _TOLERANCE and best_step == _LAST:
        raise TargetError(f"no step goes down to {options.bpp} bits a pixel")
    return results[best_step]
