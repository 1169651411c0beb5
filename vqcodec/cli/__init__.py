"""The command line: `vqcodec.cli:main`.

One file a command. The modules here import typer and the standard library
only; what a command needs beyond that, it imports when it runs, so that
``--help`` and ``--version`` answer at once.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from vqcodec.cli import compare, decode, encode, info, palette, report, tag, train, warmup
from vqcodec.version import __version__

_EPILOG = (
    "Exit codes: 0 all went well, 1 something could not be done (stderr says what), "
    "2 wrong usage, 130 interrupted."
)

app = typer.Typer(
    name="vqcodec",
    help="Vector quantization as a tool: compress images, reduce palettes, train codebooks.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vqcodec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command("encode")(encode.encode)
app.command("decode")(decode.decode)
app.command("train")(train.train)
app.command("palette")(palette.palette)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("info")(info.info)
app.command("tag")(tag.tag)
app.command("warmup")(warmup.warmup)


def main() -> None:
    """Run the command line and exit with its status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app(prog_name="vqcodec")
