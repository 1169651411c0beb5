"""``vqcodec encode``: images and sounds into .vqi and .vqa files."""

from __future__ import annotations

import enum
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcodec.cli import batch, names, options, pictures, sounds, streams
from vqcodec.cli.console import Console, decibels, human_bytes, shown
from vqcodec.cli.status import Status, command
from vqcodec.errors import ParameterError

if TYPE_CHECKING:
    from vqcodec.codebook import Codebook
    from vqcodec.container import Limits
    from vqcodec.media import Image
    from vqcodec.media.large import LargeImage

_BAND = 1024  # rows of a large image that are compared at a time; tiles are as high


class Kind(enum.StrEnum):
    AUTO = "auto"
    PATCH = "patch"
    PHOTO = "photo"
    AUDIO = "audio"
    SPEECH = "speech"
    FRAMES = "frames"


class Tune(enum.StrEnum):
    VISUAL = "visual"
    PSNR = "psnr"


class Chroma(enum.StrEnum):
    HALF = "420"
    FULL = "444"


@command
def encode(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Images, sounds, folders, or -.")
    ],
    output: options.Output = None,
    kind: Annotated[Kind, typer.Option(help="Which codec.")] = Kind.AUTO,
    quality: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="From 0 (small) to 100 (good); of sounds, to 10."),
    ] = None,
    bitrate: Annotated[
        int | None,
        typer.Option(parser=options.parse_count, metavar="RATE", help="Sounds: such as 64k."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Sounds: music or speech.")
    ] = None,
    bpp: Annotated[
        float | None, typer.Option(min=1e-6, help="Meet this rate, in bits a pixel.")
    ] = None,
    psnr: Annotated[
        float | None, typer.Option(min=1, max=200, help="Meet this quality, in decibels.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            parser=options.parse_size, metavar="SIZE", help="Meet this file size, such as 50k."
        ),
    ] = None,
    tune: Annotated[
        Tune | None, typer.Option(help="For the eye, or for squared error (photo).")
    ] = None,
    effort: Annotated[
        int | None, typer.Option(min=1, max=9, help="From 1 (fast) to 9 (small) (photo).")
    ] = None,
    codewords: options.Codewords = None,
    block: options.Block = None,
    fixed_rate: Annotated[
        bool,
        typer.Option("--fixed-rate", help="Indices of equal length: regions decode on their own."),
    ] = False,
    color: options.ColorModel = None,
    chroma: Annotated[
        Chroma | None, typer.Option(help="Chroma at half (420) or full (444) resolution.")
    ] = None,
    mean_removed: options.MeanRemoved = False,
    tile: Annotated[
        int | None,
        typer.Option(min=16, metavar="N", help="About the side of tiles that decode on their own."),
    ] = None,
    frame: options.FrameLength = None,
    gain_bits: options.GainBits = None,
    lagrangian: options.Lagrangian = None,
    seed: options.Seed = None,
    codebook: options.CodebookFile = None,
    save_codebook: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the image's own codebook here, kept outside."),
    ] = None,
    save_error_image: pictures.ErrorImage = None,
    save_codebook_image: pictures.CodebookImage = None,
    strip: Annotated[
        bool, typer.Option("--strip", help="Drop colour profile, EXIF and other metadata.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Decode what was written before it replaces anything."),
    ] = False,
    max_pixels: options.MaxPixels = None,
    recursive: options.Recursive = False,
    jobs: options.Jobs = 1,
    resume: options.Resume = False,
    skip_larger: options.SkipLarger = False,
    force: options.Force = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> Status:
    """Compress images into .vqi files, and sounds into .vqa files.

    Output names are derived (photo.png becomes photo.vqi, song.wav becomes
    song.vqa) unless -o names a file, a folder, or - for standard output.
    """
    options.exclusive(
        quality=quality, bitrate=bitrate, bpp=bpp, psnr=psnr, size=size, **{"lambda": lagrangian}
    )
    options.exclusive(codebook=codebook, save_codebook=save_codebook)
    options.use_threads(threads)
    wishes = options.given(
        kind=kind.value,
        tune=tune.value if tune else None,
        effort=effort,
        quality=quality,
        bitrate=bitrate,
        model=model,
        frame=frame,
        gain_bits=gain_bits,
        bpp=bpp,
        psnr=psnr,
        size=size,
        codewords=codewords,
        block=block,
        fixed_rate=fixed_rate,
        color=color.value if color else None,
        chroma=chroma.value if chroma else None,
        mean_removed=mean_removed,
        tile=tile,
        lagrangian=lagrangian,
        seed=seed,
        strip=strip,
    )
    console = Console(quiet, as_json)
    plan = names.plan(
        inputs,
        output,
        rename=_coded_name,
        accepts=names.IMAGES | names.SOUNDS,
        recursive=recursive,
    )
    options.one_stdout(as_json, plan)
    if save_codebook and len(plan) > 1:
        raise ParameterError("--save-codebook wants a single input; train a shared one instead")
    drawn = pictures.Pictures(save_error_image, save_codebook_image)
    if drawn and len(plan) > 1:
        raise ParameterError("pictures are drawn of a single input only")
    if dry_run:
        return console.rehearse(plan)
    drawn.refuse_existing(force)
    if save_codebook:
        streams.refuse_existing(save_codebook, force)
    limits = options.limits_of(max_pixels)
    book = options.load_codebook(codebook, limits)
    work = _Encoder(
        wishes, limits, force or resume, skip_larger, verify, book, save_codebook, drawn
    )
    return batch.run(console, plan, work, processes=jobs, resume=resume, depends=[codebook])


def _coded_name(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem + (".vqa" if suffix.lower() in names.SOUNDS else ".vqi")


@dataclass(frozen=True)
class _Encoder:
    """Encodes one file after the other with the same wishes."""

    wishes: dict[str, Any]
    limits: Limits
    force: bool
    skip_larger: bool
    verify: bool
    codebook: Codebook | None
    save_codebook: str | None
    drawn: pictures.Pictures

    def __call__(self, job: names.Job, console: Console) -> batch.Result:
        from vqcodec import api
        from vqcodec.files import write_atomically
        from vqcodec.media import Image, load_image
        from vqcodec.media.large import open_large
        from vqcodec.media.sniffing import is_sound

        streams.refuse_existing(job.target, self.force)
        if is_sound(sounds.head_of(job.source)):
            if self.drawn:
                raise ParameterError("pictures of errors and codebooks are drawn of images only")
            return sounds.encode(
                job, console, self.wishes, self.limits, self.codebook, self.save_codebook,
                self.skip_larger, self.verify,
            )  # fmt: skip
        wishes = dict(self.wishes)
        if self.save_codebook and wishes["kind"] == Kind.AUTO:
            wishes["kind"] = Kind.PATCH  # the kind whose images have a codebook of their own
        started = time.perf_counter()
        source = streams.image_source(job.source)
        large = None if self.drawn else open_large(source, self.limits)
        image = large or load_image(source, self.limits)
        notes = list(image.source.notes) if image.source else []
        with console.progress(f"encoding {shown(job.source)}") as progress:
            data = api.encode(
                image,
                codebook=self.codebook,
                progress=progress,
                limits=self.limits,
                notes=notes,
                **wishes,
            )
        before = image.source.bytes if image.source else None
        if self.skip_larger and before and len(data) >= before:
            console.note(notes)
            return batch.leave(console, job, before, len(data))
        book = self.codebook
        if self.save_codebook:
            data, book = api.detach(data, limits=self.limits)
            streams.write_target(self.save_codebook, book.save, book.to_bytes)
        verified: list[int | None] = []

        def decodes(data: bytes) -> None:
            verified.append(api.check(data, codebook=book, limits=self.limits))

        def piped() -> bytes:
            if self.verify:
                decodes(data)
            return data

        streams.write_target(
            job.target,
            lambda path: write_atomically(path, data, decodes if self.verify else None),
            piped,
        )
        if self.drawn and isinstance(image, Image):
            self.drawn.draw(image, data, book, self.limits)
        if verified:
            notes.append(f"verified: it decodes to the samples of check {verified[0] or 0:08x}")
        console.note(notes)
        if console.as_json or not console.quiet:
            seconds = time.perf_counter() - started
            self._report(console, job, image, data, book, notes, seconds)
        return batch.Result(before, len(data))

    def _report(
        self,
        console: Console,
        job: names.Job,
        image: Image | LargeImage,
        data: bytes,
        book: Codebook | None,
        notes: list[str],
        seconds: float,
    ) -> None:
        """Say what became of the file."""
        source_bytes = image.source.bytes if image.source else None
        pixels = image.width * image.height
        values: dict[str, Any] = {
            "input": job.source,
            "output": job.target,
            "width": image.width,
            "height": image.height,
            "channels": image.channels,
            "bits": image.bits,
            "bytes": len(data),
            "bpp": len(data) * 8 / pixels,
            "psnr": self._psnr(image, data, book),
            "ratio_file": source_bytes / len(data) if source_bytes else None,
            "ratio_raw": image.raw_bytes / len(data),
            "seconds": round(seconds, 3),
            "notes": notes,
        }
        console.result(values)
        before = f"{human_bytes(source_bytes)} -> " if source_bytes else ""
        target = shown(job.target, "standard output")
        console.say(
            f"{shown(job.source)} -> {target}: {before}{human_bytes(len(data))}, "
            f"{values['ratio_raw']:.1f} times smaller than raw, {values['bpp']:.3f} bpp, "
            f"PSNR {decibels(values['psnr'])}"
        )

    def _psnr(self, image: Image | LargeImage, data: bytes, book: Codebook | None) -> float:
        """Return the PSNR of what a decoder makes of the file; of large images band by band."""
        from vqcodec import api, metrics
        from vqcodec.media import Image

        if isinstance(image, Image):
            decoded = api.decode(data, codebook=book, limits=self.limits)
            return metrics.psnr(image.samples, decoded.samples)
        errors = []
        for top in range(0, image.height, _BAND):
            rows = min(_BAND, image.height - top)
            region = (0, top, image.width, rows)
            band = api.decode(data, codebook=book, limits=self.limits, region=region)
            psnr = metrics.psnr(image.samples[top : top + rows], band.samples)
            errors.append(rows * 10 ** (-psnr / 10))
        mean = sum(errors) / image.height
        return -10 * math.log10(mean) if mean else math.inf
