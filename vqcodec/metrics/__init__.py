"""How far a reconstruction is from its original, in numbers and in words.

Functions take arrays; `image_report` and `audio_report` gather what
``vqcodec compare`` prints. Each docstring says exactly which definition it
computes, and on which plane.
"""

from vqcodec.metrics.audio import (
    audio_report,
    log_spectral_distance,
    segmental_snr,
    snr,
)
from vqcodec.metrics.image import (
    channel_mse,
    image_report,
    max_error,
    mse,
    psnr,
    psnr_of_mse,
    psnr_y,
)
from vqcodec.metrics.meaning import explain
from vqcodec.metrics.pairs import luma
from vqcodec.metrics.similarity import ms_ssim, ssim

__all__ = [
    "audio_report",
    "channel_mse",
    "explain",
    "image_report",
    "log_spectral_distance",
    "luma",
    "max_error",
    "ms_ssim",
    "mse",
    "psnr",
    "psnr_of_mse",
    "psnr_y",
    "segmental_snr",
    "snr",
    "ssim",
]
