"""``vqcodec tag``: text tags and cover art of coded files, changed without coding anything anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from vqcodec.cli import names, options
from vqcodec.cli.console import Console, human_bytes, shown
from vqcodec.cli.status import Status, command, write_stdout
from vqcodec.errors import MediaError, ParameterError


@command
def tag(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help=".vqa and .vqi files.")],
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=TEXT", help="Set a tag.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="KEY", help="Remove a tag.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove every tag first.")] = False,
    cover: Annotated[
        str | None, typer.Option(metavar="FILE", help="Make this JPEG, PNG, WebP or GIF the cover.")
    ] = None,
    remove_cover: Annotated[
        bool, typer.Option("--remove-cover", help="Remove the cover art.")
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> Status:
    """Show or change the tags of coded files; the samples stay as they are.

    Without options the tags are shown.
    """
    if cover is not None and remove_cover:
        raise typer.BadParameter("--cover and --remove-cover contradict each other; give one")
    if names.PIPE in files:
        raise typer.BadParameter("tags are changed in files, not in pipes")
    console = Console(quiet, as_json)
    changes = dict(_pair(text) for text in set or [])
    picture = _read_cover(cover) if cover is not None else None
    changing = bool(changes or remove or clear or picture or remove_cover)

    def work(name: str) -> None:
        from vqcodec import api
        from vqcodec.metadata import Metadata

        def change(before: Metadata) -> Metadata:
            text = {} if clear else dict(before.text)
            for key in remove or []:
                if key not in before.text:
                    raise ParameterError(f"{name} has no tag {key!r}")
                text.pop(key, None)
            kept = None if remove_cover else picture or before.cover
            return dataclasses.replace(before, text={**text, **changes}, cover=kept)

        after = api.retag(name, change if changing else None)
        size = len(after.cover) if after.cover else None
        console.result({"file": name, "text": dict(after.text), "cover_bytes": size})
        if not as_json and not (changing and quiet):
            lines = [f"  {key}: {' '.join(value.split())}" for key, value in after.text.items()]
            if size:
                lines.append(f"  cover art of {human_bytes(size)}")
            write_stdout("\n".join((shown(name), *lines)) + "\n")

    return console.each(files, work)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise typer.BadParameter(f"{text!r} is not of the form KEY=TEXT")
    return key.strip(), value


def _read_cover(path: str) -> bytes:
    from vqcodec.media.cover import require_picture

    try:
        return require_picture(Path(path).read_bytes())
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror}") from None
