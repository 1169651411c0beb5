"""``vqcodec palette``: images into indexed PNG, GIF or .vqi files of few colours."""

from __future__ import annotations

import enum
import os
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcodec.cli import batch, names, options, streams
from vqcodec.cli.console import Console, human_bytes, shown
from vqcodec.cli.status import Status, command
from vqcodec.errors import MediaError, ParameterError, TargetError

if TYPE_CHECKING:
    import numpy as np

    from vqcodec.container import Limits
    from vqcodec.media import Image
    from vqcodec.palette.options import PaletteOptions
    from vqcodec.palette.pipeline import Quantized
    from vqcodec.palette.value import Palette

_FORMATS = (".png", ".gif", ".vqi")


class Space(enum.StrEnum):
    OKLAB = "oklab"
    SRGB = "srgb"


class Dither(enum.StrEnum):
    NONE = "none"
    FLOYD_STEINBERG = "floyd-steinberg"
    BLUE_NOISE = "blue-noise"
    BEST = "best"


class Profile(enum.StrEnum):
    CONVERT = "convert"
    KEEP = "keep"


class Format(enum.StrEnum):
    PNG = "png"
    GIF = "gif"
    VQI = "vqi"


def _parse_colors(text: str) -> int:
    """Read a number of colours; 0 stands for ``auto``."""
    if str(text).strip().lower() == "auto":
        return 0
    if not re.fullmatch(r"\d{1,3}", str(text).strip()) or not 1 <= int(text) <= 256:
        raise typer.BadParameter(f"{text!r} is no number of colours: 1 to 256, or auto")
    return int(text)


def _parse_quality(text: str) -> tuple[int, int]:
    """Read ``MIN-MAX`` or ``MAX``, as pngquant does."""
    match = re.fullmatch(r"(?:(\d{1,3})?-)?(\d{1,3})", str(text).strip())
    if match is None or not int(match[1] or 0) <= int(match[2]) <= 100:
        raise typer.BadParameter(f"{text!r} is no quality such as 60-85 or 80, from 0 to 100")
    return int(match[1] or 0), int(match[2])


@command
def palette(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Images, folders, or - for stdin.")
    ],
    output: options.Output = None,
    colors: Annotated[
        Any,
        typer.Option(
            "--colors", "-k", parser=_parse_colors, metavar="N|auto",
            help="At most so many colours, 1 to 256; auto takes as many as it needs.",
        ),
    ] = 256,
    space: Annotated[
        Space, typer.Option(help="Judge colours as eyes do (oklab), or by squared error (srgb).")
    ] = Space.OKLAB,
    dither: Annotated[
        Dither,
        typer.Option(help="How to show what lies between; best takes several times as long."),
    ] = Dither.FLOYD_STEINBERG,
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="Of the dithering.")
    ] = 0.75,
    quality: Annotated[
        Any,
        typer.Option(
            parser=_parse_quality, metavar="MIN-MAX",
            help="The fewest colours that reach MAX; write nothing, and exit with 99, below MIN.",
        ),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            min=0, max=255, metavar="E",
            help="The fewest colours with a root mean squared error of at most E (of 255).",
        ),
    ] = None,
    palette_file: Annotated[
        str | None,
        typer.Option(
            "--palette", metavar="FILE",
            help="Use these colours: .gpl .act .aco .ase .pal .hex .css .json .vqcb or an image.",
        ),
    ] = None,
    save_palette: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the palette here, too.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLOR", help="This colour is in the palette as it is; repeatable."),
    ] = None,
    keep_unused: Annotated[
        bool, typer.Option("--keep-unused", help="Keep entries that no pixel uses.")
    ] = False,
    keep_hidden: Annotated[
        bool,
        typer.Option("--keep-hidden", help="Keep the colours under fully transparent pixels."),
    ] = False,
    shared: Annotated[
        bool | None,
        typer.Option(
            "--shared/--no-shared",
            help="One palette for all inputs.  [default: for the frames of an animation only]",
        ),
    ] = None,
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="What to write.  [default: png]")
    ] = None,
    profile: Annotated[
        Profile, typer.Option(help="Convert colours to sRGB, or keep them and their profile.")
    ] = Profile.CONVERT,
    strip: Annotated[
        bool, typer.Option("--strip", help="Drop EXIF and other metadata.")
    ] = False,
    skip_larger: Annotated[
        bool,
        typer.Option(
            "--skip-larger", "--skip-if-larger", help="Write nothing that is larger than its input."
        ),
    ] = False,
    max_pixels: options.MaxPixels = None,
    recursive: options.Recursive = False,
    jobs: options.Jobs = 1,
    resume: options.Resume = False,
    force: options.Force = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
    threads: options.Threads = None,
) -> Status:  # fmt: skip
    """Reduce images to few colours: indexed PNG, GIF or .vqi files.

    photo.png becomes photo-palette.png unless -o names a file, a folder, or -
    for standard output. Images that have few enough colours are kept exactly.
    Exit code 99: the quality asked for by --quality or --max-error is not reached.
    """
    options.use_threads(threads)
    console = Console(quiet, as_json)
    suffix = f".{format.value}" if format else None
    plan = names.plan(
        inputs,
        output,
        rename=lambda name: _reduced_name(name, suffix),
        accepts=names.IMAGES,
        recursive=recursive,
    )
    if as_json and any(job.target == names.PIPE for job in plan):
        raise typer.BadParameter("--json and -o - both want standard output; give one")
    if save_palette and len(plan) > 1 and not shared:
        raise ParameterError("--save-palette wants a single input, or --shared")
    if dry_run:
        return console.rehearse(plan)
    if save_palette:
        streams.refuse_existing(save_palette, force)
        _refuse_format(save_palette)
    from vqcodec.palette.options import PaletteOptions
    from vqcodec.palette.value import Palette

    wishes = PaletteOptions(
        colors=colors or None,
        space=space.value,  # type: ignore[arg-type]
        dither=dither.value,  # type: ignore[arg-type]
        strength=strength,
        quality=quality,
        max_error=max_error,
        palette=Palette.of(palette_file) if palette_file else None,
        keep=Palette.of([c for text in keep for c in _split_colors(text)]) if keep else None,
        keep_unused=keep_unused,
        keep_hidden=keep_hidden,
    )
    work = _Reducer(
        wishes,
        options.limits_of(max_pixels),
        force or resume,
        suffix,
        profile,
        strip,
        skip_larger,
        save_palette,
        frames_shared=shared is not False,
    )
    if shared and len(plan) > 1:
        return work.together(plan, console)
    return batch.run(
        console,
        plan,
        work,
        processes=jobs,
        resume=resume,
        depends=[palette_file],
        unreached=Status.BELOW,
    )


def _reduced_name(name: str, suffix: str | None) -> str:
    stem, old = os.path.splitext(name)
    if suffix is None:
        suffix = ".gif" if old.lower() == ".gif" else ".png"
    return stem + (suffix if suffix == ".vqi" else f"-palette{suffix}")


def _split_colors(text: str) -> list[str]:
    return [part for part in re.split(r"[\s;]+|,(?![^(]*\))", text) if part]


def _refuse_format(path: str) -> None:
    """Refuse a palette format that cannot be written before the work, not after."""
    from vqcodec.palette.swatches import writable_formats

    if os.path.splitext(path)[1].lower() not in writable_formats():
        known = ", ".join(writable_formats())
        raise ParameterError(f"{path} has no suffix of a palette format; there are {known}")


@dataclass
class _Item:
    """What one job is about: pictures on the way from their file to a palette."""

    job: names.Job
    image: Image
    frames: list[np.ndarray]
    durations: list[int]
    loop: int | None
    suffix: str
    notes: list[str]


@dataclass(frozen=True)
class _Reducer:
    """Reduces one file after the other, or all together, with the same wishes."""

    wishes: PaletteOptions
    limits: Limits
    force: bool
    suffix: str | None
    profile: Profile
    strip: bool
    skip_larger: bool
    save_palette: str | None
    frames_shared: bool

    def __call__(self, job: names.Job, console: Console) -> batch.Result:
        """Reduce one file."""
        started = time.perf_counter()
        item = self._load(job)
        with console.progress(f"reducing {shown(job.source)}") as progress:
            if self.frames_shared or len(item.frames) == 1:
                own = item.image.source.palette if item.image.source else b""
                done = [self._reduce(item.frames, progress, own)]
            else:
                done = [self._reduce([frame], progress) for frame in item.frames]
        result = self._write(item, done, started, console)
        if self.save_palette:
            self._write_palette(done[0].palette)
        return result

    def together(self, jobs: list[names.Job], console: Console) -> Status:
        """Reduce all files to one palette; any failure is a failure of all."""
        started = time.perf_counter()
        items = [self._load(job) for job in jobs]
        frames = [frame for item in items for frame in item.frames]
        try:
            with console.progress(f"reducing {len(items)} images") as progress:
                done = self._reduce(frames, progress)
        except TargetError as error:
            console.failed(f"{len(items)} images", error)
            return Status.BELOW
        position = 0
        for item in items:
            count = len(item.frames)
            own = replace(done, indices=done.indices[position : position + count])
            position += count
            self._write(item, [own], started, console)
        if self.save_palette:
            self._write_palette(done.palette)
        return Status.OK

    def _load(self, job: names.Job) -> _Item:
        from vqcodec.media import load_image
        from vqcodec.palette import frames, source

        streams.refuse_existing(job.target, self.force)
        suffix = os.path.splitext(job.target)[1].lower()
        if job.target == names.PIPE or suffix not in _FORMATS:
            if job.target != names.PIPE and self.suffix is None:
                known = ", ".join(_FORMATS)
                raise ParameterError(f"cannot write {job.target}: palette images are {known}")
            suffix = self.suffix or ".png"
        raw = streams.read_source(job.source)
        if suffix == ".gif" and frames.is_animated(raw):
            animation = frames.load_animation(raw, self.limits)
            pictures = [source.hard_alpha(frame) for frame in animation.frames]
            image = load_image(pictures[0], self.limits)
            return _Item(job, image, pictures, animation.durations, animation.loop, suffix, [])
        image = load_image(raw, self.limits)
        notes = list(image.source.notes) if image.source else []
        if self.profile is Profile.CONVERT or suffix == ".gif":
            image, more = source.to_srgb(image)
            notes += more
        if image.orientation != 1 and (self.strip or suffix == ".gif"):
            image = replace(image, samples=image.upright())
        if self.strip:
            icc = image.metadata.icc  # only there if it is to be kept: colours depend on it
            image = replace(image, metadata=replace(type(image.metadata)(), icc=icc))
        picture = source.to_rgb(image)
        if suffix == ".gif":
            picture = source.hard_alpha(picture)
        return _Item(job, image, [picture], [], None, suffix, notes)

    def _reduce(self, frames: list[np.ndarray], progress: Any, own: bytes = b"") -> Quantized:
        from vqcodec.palette.pipeline import quantize_images

        return quantize_images(frames, self.wishes, progress, own)

    def _write(
        self, item: _Item, done: list[Quantized], started: float, console: Console
    ) -> batch.Result:
        from vqcodec.files import write_atomically

        job = item.job
        console.note(item.notes)
        data = _pack(item, done)
        before = item.image.source.bytes if item.image.source else None
        if before is None and job.source != names.PIPE:
            before = os.path.getsize(job.source)
        skipped = bool(self.skip_larger and before and len(data) >= before)
        if not skipped:
            streams.write_target(
                job.target, lambda path: write_atomically(path, data), lambda: data
            )
        first = done[0]
        colors = max(len(part.palette) for part in done)
        values = {
            "input": job.source,
            "output": None if skipped else job.target,
            "width": item.image.width,
            "height": item.image.height,
            "frames": len(item.frames),
            "colors": colors,
            "colors_before": max(part.colors_before for part in done),
            "quality": round(min(part.quality for part in done), 1),
            "mse": sum(part.mse for part in done) / len(done),
            "bytes": len(data),
            "bytes_before": before,
            "skipped": skipped,
            "seconds": round(time.perf_counter() - started, 3),
            "notes": item.notes,
        }
        console.result(values)
        what = "lossless" if first.lossless else f"quality {values['quality']:.0f}"
        sizes = f"{human_bytes(before)} -> " if before else ""
        count = f"{colors} of {values['colors_before']} colours"
        line = f"{count}, {what}, {sizes}{human_bytes(len(data))}"
        if skipped:
            console.say(f"{shown(job.source)}: {line}; larger than it was, nothing written")
        else:
            target = shown(job.target, "standard output")
            console.say(f"{shown(job.source)} -> {target}: {line}")
        return batch.Result(before, len(data), larger=skipped)

    def _write_palette(self, chosen: Palette) -> None:
        assert self.save_palette is not None
        if self.save_palette == names.PIPE:
            raise ParameterError("a palette is written to a file; name one with --save-palette")
        chosen.save(self.save_palette)


def _pack(item: _Item, done: list[Quantized]) -> bytes:
    """Return the bytes of the output file."""
    from vqcodec.palette.indexed import IndexedImage, write_gif

    indices = [index for part in done for index in part.indices]
    if item.suffix == ".gif":
        palettes = [part.palette for part in done]
        return write_gif(palettes, indices, item.durations, item.loop)
    if len(indices) > 1:
        raise MediaError(f"cannot write {item.job.target}: only GIF holds animations here")
    image = IndexedImage(done[0].palette, indices[0], item.image.metadata)
    if item.suffix == ".vqi":
        from vqcodec.palette.codec import encode_indexed

        return encode_indexed(image)
    return image.to_png()
