"""Reports that one looks at: a page on an original and what became of it.

`report` returns one HTML file that needs nothing else: pictures, sounds, style
and script are inside, charts are SVG. It works from disk, by day and by night,
with a keyboard and with a screen reader.

    >>> import numpy, vqcodec.report
    >>> picture = numpy.indices((32, 32)).sum(0).astype("uint8")
    >>> html = vqcodec.report.report(picture, [picture], rivals=False)
    >>> html[:15]
    '<!DOCTYPE html>'

The ways there: `subject` loads and measures, `rivals` asks other codecs,
`pictures` and `charts` draw, `tables` explains, `images` and `sounds` compose,
`page` wraps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from vqcodec.codebook import Codebook
from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import ParameterError
from vqcodec.files import write_atomically

Progress = Callable[[float, str], bool | None]

__all__ = ["report"]


def report(
    original: Any,
    coded: Sequence[Any] = (),
    target: Any = None,
    *,
    codebook: Codebook | None = None,
    rivals: bool = True,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> str:
    """Make a page on an image or a sound and its coded versions.

    Parameters
    ----------
    original : path, bytes, array or Pillow image
        As `vqcodec.compare` takes it.
    coded : sequence of the same
        Coded files or ordinary ones. Where there are none, the original is
        encoded at three qualities.
    target : path or binary file, optional
        Where to write the page.
    codebook : Codebook, optional
        The external codebook of the coded files.
    rivals : bool
        Encode the original with other codecs, too, and compare.
    progress : callable, optional
        Called with a fraction and a message; returning False cancels.
    limits : Limits

    Returns
    -------
    str
        The HTML.

    Raises
    ------
    VQError
        As `vqcodec.compare`; `ParameterError` if a picture has another size
        than the original.

    Notes
    -----
    The same inputs give the same page, byte for byte.
    """
    from vqcodec import api
    from vqcodec.report import rivals as others

    def part(start: float, stop: float) -> Progress | None:
        if progress is None:
            return None
        return lambda fraction, message: progress(start + fraction * (stop - start), message)

    if api.is_coded_sound_source(original):
        raise ParameterError("the original is a coded sound; give the sound it was made from")
    share = 0.4 if rivals else 1.0
    if api.is_sound_source(original):
        from vqcodec.report.sounds import load_sound_subject, sound_page

        sound = load_sound_subject(original, coded, codebook, limits, part(0.0, share))
        found = others.sounds(sound.samples, sound.rate, part(share, 1.0)) if rivals else None
        html = sound_page(sound, found)
    else:
        from vqcodec.report.images import image_page
        from vqcodec.report.subject import load_image_subject

        subject = load_image_subject(original, coded, codebook, limits, part(0.0, share))
        found = others.images(subject.samples, part(share, 1.0)) if rivals else None
        html = image_page(subject, found)
    if target is not None:
        if isinstance(target, str | os.PathLike):
            write_atomically(target, html.encode())
        else:
            target.write(html.encode())
    return html
