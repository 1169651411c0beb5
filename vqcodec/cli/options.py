"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import dataclasses
import enum
import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcodec.cli.names import PIPE, Job
from vqcodec.container import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from vqcodec.codebook import Codebook

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Color(enum.StrEnum):
    GRAY = "gray"
    RGB = "rgb"
    YCBCR = "ycbcr"


def parse_size(text: str) -> int:
    """Read a size in bytes: ``50k``, ``1.5M``, ``64KiB``, ``20000``."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmg]?i?)b?", str(text).strip().lower())
    if match is None or match[2] not in _UNITS:
        raise typer.BadParameter(f"{text!r} is not a size such as 20000, 50k, 1.5M or 64KiB")
    size = int(float(match[1]) * _UNITS[match[2]])
    if size < 1:
        raise typer.BadParameter("a size is at least one byte")
    return size


def parse_count(text: str) -> int:
    """Read a number of things: ``100M``, ``20000``."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([kmg]?)", str(text).strip().lower())
    if match is None or float(match[1]) <= 0:
        raise typer.BadParameter(f"{text!r} is not a positive number such as 20000 or 100M")
    return int(float(match[1]) * _UNITS[match[2]])


def parse_moment(text: str) -> int | float:
    """Read a place in a sound: ``4000`` is a frame (int); ``1:23.5``, ``83.5``, ``90s`` seconds."""
    text = str(text).strip().lower()
    if text.isdigit():
        return int(text)
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)s?", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no place such as 4000 (a frame), 1:23.5 or 90s")
    return float(match[1] or 0) * 3600 + float(match[2] or 0) * 60 + float(match[3])


def parse_block(text: str) -> tuple[int, int]:
    """Read a block size, ``4`` or ``8x4``, as (width, height)."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(text).strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a block size such as 4 or 8x4")
    width, height = int(match[1]), int(match[2] or match[1])
    if not (1 <= width <= 16 and 1 <= height <= 16):
        raise typer.BadParameter("blocks are from 1x1 to 16x16 pixels")
    return width, height


def parse_region(text: str) -> tuple[int, int, int, int]:
    """Read a region, ``X,Y,W,H`` in pixels."""
    match = re.fullmatch(r"(\d+),(\d+),(\d+),(\d+)", str(text).replace(" ", ""))
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a region such as 100,50,640,480 (X,Y,W,H)")
    x, y, width, height = (int(number) for number in match.groups())
    if width == 0 or height == 0:
        raise typer.BadParameter("a region is at least one pixel wide and high")
    return x, y, width, height


def limits_of(max_pixels: int | None) -> Limits:
    """Return the limits in force."""
    if max_pixels is None:
        return DEFAULT_LIMITS
    return dataclasses.replace(DEFAULT_LIMITS, pixels=max_pixels)


def one_stdout(as_json: bool, jobs: list[Job]) -> None:
    """Refuse, as wrong usage, JSON and data on the same standard output."""
    if as_json and any(job.target == PIPE for job in jobs):
        raise typer.BadParameter("--json and -o - both want standard output; give one")


def load_codebook(path: str | None, limits: Limits) -> Codebook | None:
    """Read the codebook that an option names."""
    if path is None:
        return None
    from vqcodec.codebook import Codebook

    return Codebook.load(path, limits)


def use_threads(count: int | None) -> None:
    """Bound the threads of the kernels and of linear algebra; to be called before they load."""
    if count is not None:
        for name in _THREADS:
            os.environ[name] = str(count)


def thread_shares(processes: int) -> dict[str, str]:
    """Return the variables that give each of several processes its share of the cores.

    What the environment or --threads states already stays.
    """
    share = max(1, (os.cpu_count() or 1) // processes)
    return {name: str(share) for name in _THREADS if name not in os.environ}


def exclusive(**options: Any) -> None:
    """Refuse, as wrong usage, more than one of these options."""
    named = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if len(named) > 1:
        raise typer.BadParameter(f"{' and '.join(named)} contradict each other; give one")


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given: what is None or False is left to the library."""
    return {
        name: value for name, value in options.items() if value is not None and value is not False
    }


Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE|DIR|-", help="Where to write; - is stdout."),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Take folders, with all that is below them.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a file on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        parser=parse_count,
        metavar="N",
        help="Refuse images of more pixels, such as 100M.  [default: 268M]",
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="Use at most N threads.")
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Work on N files at a time.")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Leave out files whose output is there and not older."),
]
SkipLarger = Annotated[
    bool,
    typer.Option("--skip-larger", help="Write nothing that is larger than its input."),
]
CodebookFile = Annotated[
    str | None,
    typer.Option("--codebook", metavar="FILE", help="Use this codebook (.vqcb), kept outside."),
]
Codewords = Annotated[
    int | None, typer.Option("--codewords", min=2, max=65536, help="Codewords of the codebook.")
]
Block = Annotated[
    Any,
    typer.Option(
        "--block", parser=parse_block, metavar="N|WxH", help="Block size, from 1 to 16x16."
    ),
]
FrameLength = Annotated[
    int | None, typer.Option("--frame", min=1, max=256, help="Samples of a frame (frames).")
]
GainBits = Annotated[
    int | None,
    typer.Option("--gain-bits", min=2, max=8, help="Bits of the gain of a frame (frames)."),
]
ColorModel = Annotated[Color | None, typer.Option("--color", help="Colour model to code in.")]
MeanRemoved = Annotated[
    bool, typer.Option("--mean-removed", help="Code the mean of each block apart.")
]
Lagrangian = Annotated[
    float | None, typer.Option("--lambda", min=0, help="Weight of rate against distortion.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the training.")]
