"""The page: one HTML file that holds everything, its pictures, style and script included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

from vqcodec.version import __version__

# Nothing may be fetched from anywhere, which the browser is told to enforce.
_POLICY = (
    "default-src 'none'; img-src data:; media-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
_ICON = "data:,"


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor, its short name, its heading, its HTML."""

    anchor: str
    short: str
    heading: str
    body: str


def page(title: str, lead: str, facts: str, sections: Sequence[Section]) -> str:
    """Return the whole page; `title` is text, the rest is HTML."""
    here = resources.files(__package__)
    style = here.joinpath("page.css").read_text("utf-8")
    script = here.joinpath("page.js").read_text("utf-8")
    links = "".join(f'<li><a href="#{s.anchor}">{escape(s.short)}</a></li>' for s in sections)
    body = "".join(
        f'<section id="{s.anchor}" aria-labelledby="{s.anchor}-heading">'
        f'<h2 id="{s.anchor}-heading">{escape(s.heading)}</h2>{s.body}</section>'
        for s in sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="vqcodec {__version__}">
<link rel="icon" href="{_ICON}">
<title>{escape(title)} · vqcodec report</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<p class="eyebrow">vqcodec report</p>
<h1>{escape(title)}</h1>
{lead}
{facts}
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main id="content">
{body}
</main>
<footer>Made by vqcodec {__version__}. Everything on this page is inside the file; nothing is
loaded from anywhere.</footer>
<script>
{script}</script>
</body>
</html>
"""


def facts(items: Sequence[tuple[str, str, str]]) -> str:
    """Return cards of a name, a large figure, and a line below; all text."""
    cards = "".join(
        f'<li><span class="name">{escape(name)}</span><b>{escape(figure)}</b>'
        f'<span class="more">{escape(more)}</span></li>'
        for name, figure, more in items
    )
    return f'<ul class="facts">{cards}</ul>'


def picture(address: str, alt: str, caption: str, kind: str = "") -> str:
    """Return a figure with a picture and a caption, which is HTML."""
    return (
        f'<figure class="{kind}"><img src="{address}" alt="{escape(alt)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
