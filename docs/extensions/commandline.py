"""The directive ``commands``: the reference of the command line, made from the program itself.

Usage, help and options are asked of the very objects that parse the command
line, so the page cannot be out of date.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


def commands() -> dict[str, Any]:
    """Return the commands by name, in the order of the program."""
    import typer.main

    from vqcodec.cli import app

    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def records(command: Any) -> list[tuple[str, str]]:
    """Return how each argument and option is written, and what it does."""
    found = []
    for parameter in command.params:
        record = parameter.get_help_record(_context(command))
        if record is not None:
            found.append((record[0], record[1]))
    return found


def usage(name: str, command: Any) -> str:
    """Return the usage line."""
    text = command.get_usage(_context(command))
    return re.sub(r"\s+", " ", text.replace("Usage: ", "", 1)).strip()


def _context(command: Any) -> Any:
    context = type(command).context_class
    return context(command, info_name=f"vqcodec {command.name}", terminal_width=200)


class Commands(SphinxDirective):
    """All commands, a section each."""

    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for name, command in commands().items():
            section = nodes.section(ids=[f"vqcodec-{name}"])
            section += nodes.title(text=f"vqcodec {name}")
            for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
                section += nodes.paragraph(text=" ".join(paragraph.split()))
            line = usage(name, command)
            section += nodes.literal_block(line, line, language="text")
            items = nodes.definition_list(classes=["options"])
            for written, words in records(command):
                term = nodes.term()
                term += nodes.literal(text=written)
                definition = nodes.definition()
                definition += nodes.paragraph(text=words)
                items += nodes.definition_list_item("", term, definition)
            section += items
            found.append(section)
        return found


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
