"""``vqcodec report``: a page to look at, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcodec.cli import options, streams
from vqcodec.cli.console import Console, human_bytes, shown
from vqcodec.cli.names import PIPE
from vqcodec.cli.status import Status, command


@command
def report(
    original: Annotated[str, typer.Argument(help="The original image or sound; - is stdin.")],
    coded: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CODED]...",
            help="What became of it; without any, it is encoded at three qualities.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE|-", help="Where to write.  [default: NAME.html]"
        ),
    ] = None,
    others: Annotated[
        bool,
        typer.Option(
            "--others/--no-others", help="Compare with JPEG, WebP, AVIF; MP3, Vorbis, Opus."
        ),
    ] = True,
    codebook: options.CodebookFile = None,
    max_pixels: options.MaxPixels = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> Status:
    """Write an HTML page on a file and its coded versions, to look at in a browser.

    Original and reconstruction with a slider and zoom, error, scores and what
    they mean, codebook, colours; for sounds players, waveform, spectrograms.
    The page is one file and loads nothing from anywhere.
    """
    options.use_threads(threads)
    console = Console(quiet, as_json)
    if [original, *(coded or [])].count(PIPE) > 1:
        raise typer.BadParameter("standard input can be read only once")
    if output is None:
        output = PIPE if original == PIPE else str(Path(original).with_suffix(".html"))
    if as_json and output == PIPE:
        raise typer.BadParameter("--json and -o - both want standard output; give one")
    streams.refuse_existing(output, force)
    limits = options.limits_of(max_pixels)
    book = options.load_codebook(codebook, limits)
    from vqcodec.files import write_atomically
    from vqcodec.report import report as make

    sources = [streams.read_source(name) for name in coded or []]
    with console.progress(f"reporting on {shown(original)}") as progress:
        html = make(
            streams.read_source(original), sources,
            codebook=book, rivals=others, progress=progress, limits=limits,
        ).encode()  # fmt: skip
    streams.write_target(output, lambda path: write_atomically(path, html), lambda: html)
    console.result({"input": original, "output": output, "bytes": len(html)})
    target = shown(output, "standard output")
    console.say(f"{shown(original)} -> {target}: a page of {human_bytes(len(html))}")
    return Status.OK
