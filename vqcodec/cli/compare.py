"""``vqcodec compare``: distortion and compression ratio, as a table or as JSON."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from vqcodec.cli import options, streams
from vqcodec.cli.console import Console, human_bytes, plain
from vqcodec.cli.status import Status, command, write_stdout

_LABELS = {
    "psnr": ("PSNR", "dB"),
    "psnr_y": ("PSNR of luma", "dB"),
    "psnr_channels": ("PSNR by channel", "dB"),
    "mse": ("mean squared error", ""),
    "ssim": ("SSIM", ""),
    "ms_ssim": ("MS-SSIM", ""),
    "max_error": ("largest error", ""),
    "snr": ("SNR", "dB"),
    "segmental_snr": ("segmental SNR", "dB"),
    "log_spectral_distance": ("log-spectral distance", "dB"),
    "bytes": ("size", ""),
    "bpp": ("rate", "bits a pixel"),
    "kbps": ("rate", "kb/s"),
    "ratio_file": ("original file / coded", ""),
    "ratio_raw": ("raw samples / coded", ""),
    "codewords": ("codewords", ""),
    "used": ("codewords in use", ""),
    "perplexity": ("perplexity", "codewords"),
}


@command
def compare(
    original: Annotated[str, typer.Argument(help="The original image or sound; - is stdin.")],
    coded: Annotated[
        str, typer.Argument(help="What became of it: a .vqi or .vqa file, or an ordinary one.")
    ],
    codebook: options.CodebookFile = None,
    max_pixels: options.MaxPixels = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> Status:
    """Measure how far a file is from its original, and how much smaller."""
    if original == coded == "-":
        raise typer.BadParameter("standard input can be read only once")
    options.use_threads(threads)
    console = Console(quiet, as_json)
    settings: dict[str, Any] = {"limits": options.limits_of(max_pixels)}
    if codebook:
        from vqcodec.codebook import Codebook

        settings["codebook"] = Codebook.load(codebook, settings["limits"])
    from vqcodec import api

    with console.progress("comparing") as progress:
        report = dict(
            api.compare(
                streams.read_source(original),
                streams.read_source(coded),
                progress=progress,
                **settings,
            )
        )
    if as_json:
        console.result({"original": original, "coded": coded, **report})
    else:
        _print_table(f"{coded} against {original}", report)
    return Status.OK


def _print_table(title: str, report: dict[str, Any]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console as Screen
    from rich.table import Table

    from vqcodec.metrics import explain

    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("", style="dim")
    for key, (label, unit) in _LABELS.items():
        if key in report:
            table.add_row(label, _shown(key, report[key], unit), explain(key, report[key]))
    screen = Screen()
    with screen.capture() as text:
        screen.print(table)
    write_stdout(text.get())


def _shown(key: str, value: Any, unit: str) -> str:
    value = plain(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(key, part, '')}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_shown(key, part, "") for part in value)
    if key == "bytes":
        return human_bytes(value)
    if value is None:
        return "lossless" if key.startswith(("psnr", "snr")) else "unknown"
    if isinstance(value, float) and math.isfinite(value):
        digits = {"ssim": 5, "ms_ssim": 5, "bpp": 4}.get(key, 2)
        text = f"{value:.{digits}f}"
    else:
        text = str(value)
    return f"{text} {unit}".strip()
