"""``vqcodec info``: what a file says of itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vqcodec.cli import options, streams
from vqcodec.cli.console import Console, plain, shown
from vqcodec.cli.status import Status, command, write_stdout


@command
def info(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help=".vqi, .vqa, .vqcb, images and sounds.")
    ],
    as_json: options.AsJson = False,
) -> Status:
    """Show what files say of themselves, without decoding them."""
    console = Console(as_json=as_json)

    def show(name: str) -> None:
        from vqcodec import api

        values = dict(api.info(streams.read_source(name)))
        if as_json:
            console.result({"file": name, **values})
        else:
            width = max(map(len, values), default=0)
            lines = [
                f"  {key.replace('_', ' '):<{width}}  {_line(value)}"
                for key, value in values.items()
                if value not in (None, "", (), [], {})
            ]
            write_stdout("\n".join((shown(name), *lines)) + "\n")

    return console.each(files, show)


def _line(value: Any) -> str:
    """Return a value on one line: parts of lists behind commas, of lists of parts behind stops."""
    value = plain(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_line(item)}" for key, item in value.items())
    if isinstance(value, list):
        nested = any(isinstance(item, dict | list) for item in value)
        return ("; " if nested else " x ").join(map(_line, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())
