"""The command line: `vqcodec.cli:main`.

One file a command. The modules here import typer and the standard library
only; what a command needs beyond that, it imports when it runs, so that
``--help`` and ``--version`` answer at once. `main` reads the first word, and
builds the parser of that command alone; `app` is that of all of them.
"""

from __future__ import annotations

import gc
import importlib
import signal
import sys
from typing import Annotated, Any

import typer

from vqcodec.version import __version__

_COMMANDS = (
    "encode", "decode", "train", "palette", "compare", "report", "info", "tag", "warmup",
)  # fmt: skip
_EPILOG = (
    "Exit codes: 0 all went well, 1 something could not be done (stderr says what), "
    "2 wrong usage, 130 interrupted."
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vqcodec {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _build(commands: tuple[str, ...]) -> typer.Typer:
    """Return the parser of these commands."""
    parser = typer.Typer(
        name="vqcodec",
        help="Vector quantization as a tool: compress images, reduce palettes, train codebooks.",
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    parser.callback()(_options)
    for name in commands:
        module = importlib.import_module(f"vqcodec.cli.{name}")
        parser.command(name)(getattr(module, name))
    return parser


def __getattr__(name: str) -> Any:
    if name == "app":
        globals()["app"] = _build(_COMMANDS)
        return globals()["app"]
    raise AttributeError(name)


def main() -> None:
    """Run the command line and exit with its status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    first = sys.argv[1:2]
    try:
        _build((first[0],) if first and first[0] in _COMMANDS else _COMMANDS)(prog_name="vqcodec")
    finally:
        gc.freeze()  # a last look for garbage would take a twentieth of a second
