"""``vqcodec decode``: .vqi and .vqa files back into images and sounds."""

from __future__ import annotations

import enum
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcodec.cli import batch, names, options, sounds, streams
from vqcodec.cli.console import Console, shown
from vqcodec.cli.status import Status, command
from vqcodec.errors import ParameterError

if TYPE_CHECKING:
    from vqcodec.codebook import Codebook
    from vqcodec.container import Limits


class Bits(enum.StrEnum):
    SIXTEEN = "16"
    TWENTY_FOUR = "24"
    FLOAT = "float"


@command
def decode(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Coded files, folders, or - for stdin.")
    ],
    output: options.Output = None,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="SUFFIX", help="Such as png, tif, ppm, wav, flac."),
    ] = None,
    region: Annotated[
        Any,
        typer.Option(parser=options.parse_region, metavar="X,Y,W,H", help="Decode this part only."),
    ] = None,
    start: Annotated[
        Any,
        typer.Option(parser=options.parse_moment, metavar="WHEN", help="Sounds: from here on."),
    ] = None,
    end: Annotated[
        Any,
        typer.Option(
            parser=options.parse_moment, metavar="WHEN", help="Sounds: to here, as 1:23.5 or 4000."
        ),
    ] = None,
    bits: Annotated[
        Bits | None, typer.Option(help="Sounds: how samples are stored.  [default: 16]")
    ] = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Decode what is left of damaged files.")
    ] = False,
    codebook: options.CodebookFile = None,
    max_pixels: options.MaxPixels = None,
    recursive: options.Recursive = False,
    jobs: options.Jobs = 1,
    resume: options.Resume = False,
    force: options.Force = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> Status:
    """Decode .vqi files into images, and .vqa files into sounds.

    The format is that of the output's suffix; derived names, and standard
    output, are PNG or WAV unless --format says otherwise. A codebook that the file
    only names is looked for beside the file, in the current folder, and in
    the folders of VQCODEC_CODEBOOKS.
    """
    options.use_threads(threads)
    console = Console(quiet, as_json)
    suffix = "." + format.lower().lstrip(".") if format else None
    plan = names.plan(
        inputs,
        output,
        rename=lambda name: _decoded_name(name, suffix),
        accepts=names.CODED,
        recursive=recursive,
    )
    options.one_stdout(as_json, plan)
    if dry_run:
        return console.rehearse(plan)
    limits = options.limits_of(max_pixels)
    book = options.load_codebook(codebook, limits)
    part = (start, end)
    sound_bits = bits.value if bits else None
    work = _Decoder(suffix, region, part, sound_bits, salvage, limits, force or resume, book)
    return batch.run(console, plan, work, processes=jobs, resume=resume, depends=[codebook])


@dataclass(frozen=True)
class _Decoder:
    """Decodes one file after the other with the same wishes."""

    suffix: str | None
    region: tuple[int, int, int, int] | None
    part: tuple[int | float | None, int | float | None]
    bits: str | None
    salvage: bool
    limits: Limits
    force: bool
    codebook: Codebook | None

    def __call__(self, job: names.Job, console: Console) -> batch.Result:
        from vqcodec import api
        from vqcodec.media import save_image
        from vqcodec.media.sniffing import is_coded_sound

        damaged: list[str] | None = [] if self.salvage else None
        streams.refuse_existing(job.target, self.force)
        if is_coded_sound(sounds.head_of(job.source)):
            if self.region is not None:
                raise ParameterError("a sound has no --region; --start and --end cut it")
            return sounds.decode(
                job, console, self.suffix, self.part, self.bits or "16", self.salvage,
                self.limits, self.codebook,
            )  # fmt: skip
        if self.part != (None, None) or self.bits is not None:
            raise ParameterError("--start, --end and --bits are for sounds, this is an image")
        _refuse_unwritable(job.target, self.suffix)
        with console.progress(f"decoding {shown(job.source)}") as progress:
            image = api.decode(
                streams.read_source(job.source),
                region=self.region,
                codebook=self.codebook,
                folders=[Path.cwd()],
                progress=progress,
                limits=self.limits,
                damaged=damaged,
            )
        notes: tuple[str, ...] = ()

        def write(path: Path) -> None:
            nonlocal notes
            notes = save_image(image, path, self.suffix)

        def data() -> bytes:
            nonlocal notes
            file = io.BytesIO()
            notes = save_image(image, file, self.suffix)
            return file.getvalue()

        streams.write_target(job.target, write, data)
        console.note([*(damaged or ()), *notes])
        console.result(
            {
                "input": job.source,
                "output": job.target,
                "width": image.width,
                "height": image.height,
                "channels": image.channels,
                "bits": image.bits,
                **({"damaged": damaged} if self.salvage else {}),
                "notes": list(notes),
            }
        )
        target = shown(job.target, "standard output")
        console.say(f"{shown(job.source)} -> {target}: {image.width} x {image.height} pixels")
        return batch.Result()


def _decoded_name(name: str, suffix: str | None) -> str:
    stem, coded = os.path.splitext(name)
    return stem + (suffix or (".wav" if coded.lower() == ".vqa" else ".png"))


def _refuse_unwritable(target: str, suffix: str | None) -> None:
    """Refuse an output format that cannot be written before decoding, not after."""
    from vqcodec.media import output_formats

    wanted = suffix or (".png" if target == names.PIPE else os.path.splitext(target)[1].lower())
    known = output_formats()
    if wanted not in known:
        raise ParameterError(
            f"cannot write {target}: {wanted or 'no suffix'!r} is no image format that can be "
            f"written; use one of {', '.join(sorted(known))}"
        )
