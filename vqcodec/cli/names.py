"""Which files are read and written: derived names, folders, pipes, and no surprises.

All of it is decided before the first file is touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from vqcodec.errors import MediaError, ParameterError

PIPE = "-"
_PHOTOS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".jp2", ".png", ".apng")
_PLAIN = (".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".qoi")
IMAGES = frozenset((*_PHOTOS, *_PLAIN))
SOUNDS = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".caf", ".au"))
CODED = frozenset((".vqi", ".vqa"))
CODEBOOKS = frozenset((".vqcb",))


@dataclass(frozen=True)
class Job:
    """One file to read and one to write; ``-`` is standard input or output."""

    source: str
    target: str


def plan(
    inputs: list[str],
    output: str | None,
    *,
    rename: Callable[[str], str],
    accepts: Collection[str],
    recursive: bool,
) -> list[Job]:
    """Pair every input with its output.

    Parameters
    ----------
    inputs : list of str
        Files, folders, or ``-``.
    output : str or None
        A file, a folder, or ``-``; None derives names next to the inputs.
        Below a folder, the structure of input folders is kept.
    rename : callable
        Turns an input's file name into the output's.
    accepts : collection of str
        Suffixes that count inside folders.
    recursive : bool
        Whether folders may be inputs.

    Raises
    ------
    ParameterError
        A folder without `recursive`, two inputs onto one output, or an output
        onto an input.
    """
    found = list(walk(inputs, accepts, recursive))
    into_folder = any(os.path.isdir(name) for name in inputs) or len(found) > 1
    if output == PIPE and into_folder:
        raise typer.BadParameter("standard output takes one file only; give a folder with -o")
    if output not in (None, PIPE) and into_folder and os.path.isfile(str(output)):
        raise ParameterError(f"{output} is a file, but several outputs need a folder")
    if output is not None and output != PIPE:
        into_folder |= os.path.isdir(output) or output.endswith(("/", os.sep))
    jobs = []
    for source, relative in found:
        if output is None:
            target = PIPE if source == PIPE else str(Path(source).with_name(rename(relative.name)))
        elif output == PIPE or not into_folder:
            target = output
        else:
            target = str(Path(output) / relative.with_name(rename(relative.name)))
        jobs.append(Job(source, target))
    _refuse_clashes(jobs)
    return jobs


def walk(
    inputs: list[str], accepts: Collection[str], recursive: bool
) -> Iterator[tuple[str, Path]]:
    """Yield every input file, with its path relative to the folder it was found in."""
    if inputs.count(PIPE) > 1:
        raise typer.BadParameter("standard input can be read only once")
    for name in inputs:
        if name == PIPE:
            yield PIPE, Path("stdin")
        elif not os.path.isdir(name):
            yield name, Path(os.path.basename(name))
        elif not recursive:
            raise ParameterError(f"{name} is a folder; add --recursive to take the files in it")
        else:
            files = sorted(_below(Path(name), accepts))
            if not files:
                raise ParameterError(f"{name} holds no file that could be read")
            for file in files:
                yield str(file), file.relative_to(name)


def _below(folder: Path, accepts: Collection[str]) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        raise MediaError(f"cannot read {error.filename}: {error.strerror}")

    for place, folders, files in os.walk(folder, onerror=complain):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in accepts:
                yield Path(place, name)


def _refuse_clashes(jobs: list[Job]) -> None:
    sources = {os.path.realpath(job.source): job.source for job in jobs if job.source != PIPE}
    writers: dict[str, str] = {}
    for job in jobs:
        if job.target == PIPE:
            continue
        place = os.path.realpath(job.target)
        if place in sources:
            raise ParameterError(f"{job.target} is an input; it would be overwritten")
        if place in writers:
            raise ParameterError(
                f"{writers[place]} and {job.source} would both be written to {job.target}"
            )
        writers[place] = job.source
