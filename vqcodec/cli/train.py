"""``vqcodec train``: a codebook of one's own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vqcodec.cli import names, options, pictures, streams
from vqcodec.cli.console import Console, human_bytes
from vqcodec.cli.status import Status, command, write_stdout
from vqcodec.errors import ParameterError


@command
def train(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="Images or sounds, and folders.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The codebook file (.vqcb).")
    ],
    kind: Annotated[str, typer.Option(help="The codec it is for.")] = "patch",
    codewords: options.Codewords = None,
    block: options.Block = None,
    color: options.ColorModel = None,
    mean_removed: options.MeanRemoved = False,
    lagrangian: options.Lagrangian = None,
    frame: options.FrameLength = None,
    gain_bits: options.GainBits = None,
    max_iter: Annotated[
        int | None, typer.Option(min=1, help="Iterations of the training at most.")
    ] = None,
    seed: options.Seed = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was stopped.")
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Draw how the error fell, and the codewords, most used first (patch).",
        ),
    ] = None,
    max_pixels: options.MaxPixels = None,
    force: options.Force = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> Status:
    """Train a codebook on images or sounds, for encode --codebook.

    Folders are searched with all that is below them. The state of a long
    training is kept beside the output, as FILE.checkpoint, until it is done;
    after an interruption the same command with --resume goes on from there.
    """
    options.use_threads(threads)
    console = Console(quiet, as_json)
    known = names.SOUNDS if kind in ("audio", "speech", "frames") else names.IMAGES
    files = [name for name, _ in names.walk(sources, known, recursive=True)]
    if dry_run:
        return console.rehearse([names.Job(name, output) for name in files])
    streams.refuse_existing(output, force)
    wishes = options.given(
        codewords=codewords,
        block=block,
        frame=frame,
        gain_bits=gain_bits,
        color=color.value if color else None,
        mean_removed=mean_removed,
        lagrangian=lagrangian,
        max_iter=max_iter,
        seed=seed,
        limits=options.limits_of(max_pixels) if max_pixels else None,
    )
    drawn = pictures.Pictures(codebook=plot)
    drawn.refuse_existing(force)
    if drawn and kind != "patch":
        raise ParameterError("only codebooks of kind patch have codewords that are pictures")
    from vqcodec import api

    inputs = [streams.read_source(name) for name in files]
    piped = output == names.PIPE
    target = None if piped else streams.in_its_folder(output)
    history: list[list[float]] = []
    with console.progress(f"training {output}") as progress:
        book = api.train(
            inputs,
            target,
            kind=kind,
            progress=progress,
            checkpoint=None if piped else output + ".checkpoint",
            resume=resume,
            history=history if drawn else None,
            **wishes,
        )
    data = book.to_bytes()
    if piped:
        write_stdout(data)
    drawn.draw_training(book, history)
    words = book.arrays.get("codewords")
    values: dict[str, Any] = {
        "output": output,
        "kind": book.kind,
        "codewords": len(words) if words is not None else None,
        "config": book.config,
        "identity": book.name,
        "sources": len(files),
        "bytes": len(data),
    }
    console.result(values)
    count = f"{values['codewords']} codewords, " if values["codewords"] else ""
    what = "one file" if len(files) == 1 else f"{len(files)} files"
    console.say(f"{output}: {book.kind}, {count}{human_bytes(values['bytes'])}, from {what}")
    return Status.OK
