"""``vqcodec compare``: distortion and compression ratio, as a table or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from vqcodec.cli import options, pictures, streams
from vqcodec.cli.console import Console, human_bytes, plain, shown
from vqcodec.cli.status import Status, command, write_stdout

_LABELS = {
    "psnr": ("PSNR", "dB"),
    "psnr_channels": ("", "dB"),
    "psnr_y": ("PSNR of luma", "dB"),
    "ssim": ("SSIM", ""),
    "ms_ssim": ("MS-SSIM", ""),
    "mse": ("mean squared error", ""),
    "max_error": ("largest error", ""),
    "snr": ("SNR", "dB"),
    "segmental_snr": ("segmental SNR", "dB"),
    "log_spectral_distance": ("log-spectral distance", "dB"),
    "bytes": ("size", ""),
    "bpp": ("rate", "bits/pixel"),
    "kbps": ("rate", "kb/s"),
    "ratio_file": ("original file / coded", ""),
    "ratio_raw": ("raw samples / coded", ""),
    "codewords": ("codewords", ""),
    "used": ("codewords in use", ""),
    "perplexity": ("perplexity", ""),
}

_DIGITS = {"ssim": 5, "ms_ssim": 5, "bpp": 4, "max_error": 0}
_ABSENT = "absent"
_WIDTH = 100


@command
def compare(
    original: Annotated[str, typer.Argument(help="The original image or sound; - is stdin.")],
    coded: Annotated[
        str, typer.Argument(help="What became of it: a .vqi or .vqa file, or an ordinary one.")
    ],
    codebook: options.CodebookFile = None,
    save_error_image: pictures.ErrorImage = None,
    save_codebook_image: pictures.CodebookImage = None,
    max_pixels: options.MaxPixels = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> Status:
    """Measure how far a file is from its original, and how much smaller."""
    if original == coded == "-":
        raise typer.BadParameter("standard input can be read only once")
    options.use_threads(threads)
    console = Console(quiet, as_json)
    wanted = pictures.Pictures(save_error_image, save_codebook_image)
    wanted.refuse_existing(force)
    limits = options.limits_of(max_pixels)
    book = options.load_codebook(codebook, limits)
    from vqcodec import api

    with console.progress(shown(coded)) as progress:
        first, second = streams.read_source(original), streams.read_source(coded)
        report = api.compare(first, second, codebook=book, progress=progress, limits=limits)
    if wanted:
        wanted.draw(first, second, book, limits)
    if as_json:
        console.result({"original": original, "coded": coded, **report})
    else:
        _print_table(f"{coded} against {original}", report)
    return Status.OK


def _print_table(title: str, report: dict[str, Any]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console as Screen
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("meaning", style="dim")
    for row in _rows(report):
        table.add_row(*row)
    width = None if sys.stdout.isatty() else _WIDTH
    screen = Screen(width=width)
    with screen.capture() as text:
        screen.print(table)
    write_stdout("\n".join(line.rstrip() for line in text.get().splitlines()) + "\n")


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield label, value and meaning of every measure that is there."""
    from vqcodec.metrics import explain

    for key, (label, unit) in _LABELS.items():
        value = plain(report.get(key, _ABSENT))
        if isinstance(value, dict):
            for name, part in value.items():
                yield f"  {name}", _shown(key, part, unit), ""
        elif value != _ABSENT:
            yield label, _shown(key, value, unit), explain(key, value)


def _shown(key: str, value: Any, unit: str) -> str:
    if isinstance(value, list):
        return " + ".join(_shown(key, part, "") for part in value)
    if value is None:
        return "lossless" if unit == "dB" else "unknown"
    if key == "bytes":
        return human_bytes(value)
    if isinstance(value, float):
        value = f"{value:.{_DIGITS.get(key, 2)}f}"
    return f"{value} {unit}".strip()
