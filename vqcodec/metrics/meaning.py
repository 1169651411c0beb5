"""What a score means: one short sentence for each.

The words are rules of thumb for pictures seen on a screen at arm's length; what
a number means depends on the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PSNR = (
    (50.0, "no eye sees a difference"),
    (40.0, "hard to tell from the original"),
    (35.0, "differences show on a close look"),
    (30.0, "differences show, mostly in fine texture"),
    (25.0, "clearly degraded"),
    (-999.0, "a rough impression of the original"),
)
_SSIM = (
    (0.99, "structure as good as untouched"),
    (0.95, "structure well kept"),
    (0.90, "fine structure is lost in places"),
    (0.80, "structure visibly damaged"),
    (-1.0, "structure badly damaged"),
)
_MS_SSIM = (
    (0.995, "hard to tell from the original"),
    (0.98, "differences show on a close look"),
    (0.95, "differences show at arm's length"),
    (0.90, "clearly degraded"),
    (-1.0, "badly degraded"),
)
_SNR = (
    (60.0, "noise is inaudible"),
    (30.0, "noise is faint"),
    (15.0, "the waveform is followed roughly, as lossy codecs do"),
    (-999.0, "the waveform is not followed; that says little about how it sounds"),
)
_SPECTRAL = (
    (6.0, "the spectrum is coarse or partly missing"),
    (2.0, "the spectrum is kept in outline"),
    (1.0, "the spectrum is well kept"),
    (0.0, "the spectrum is as good as untouched"),
)
_LADDERS = {
    "psnr": _PSNR,
    "psnr_y": _PSNR,
    "ssim": _SSIM,
    "ms_ssim": _MS_SSIM,
    "snr": _SNR,
    "segmental_snr": _SNR,
    "log_spectral_distance": _SPECTRAL,
}
_PLAIN = {
    "mse": "mean of the squared sample differences",
    "max_error": "of any one sample",
    "bytes": "the whole file, codebook and headers included",
    "ratio_file": "against the original's file",
    "ratio_raw": "against uncompressed samples",
    "perplexity": "as many codewords, equally used, would say the same",
}


def explain(metric: str, value: Any) -> str:
    """Say in a few words what a score means.

    Parameters
    ----------
    metric : str
        A key of `image_report` or `audio_report`, or one of ``compare``.
    value : float or None
        None and infinity are the ratios of what is lossless.

    Returns
    -------
    str
        Without a capital or final stop; empty where there is nothing to say.

    Examples
    --------
    >>> from vqcodec.metrics import explain
    >>> explain("psnr", 42.0)
    'hard to tell from the original'
    """
    ladder = _LADDERS.get(metric)
    if ladder is None or isinstance(value, Mapping):
        return _PLAIN.get(metric, "")
    if value is None or value == float("inf"):
        return "identical"
    return next((words for bound, words in ladder if value >= bound), "")
