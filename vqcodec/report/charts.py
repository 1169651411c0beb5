"""Charts as SVG, drawn by hand: lines with markers, areas, scales. No plotting library.

Colours are the page's: a series has a number, and the style sheet says what
colour it has by day and by night. Every chart carries a title and a description
for those who do not see it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 14, 48
_SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")


@dataclass(frozen=True)
class Series:
    """Points (x, y, what they are) of one colour, joined by a line unless `line` is false.

    `style` is the number of its colour and of its marker.
    """

    name: str
    points: Sequence[tuple[float, float, str]]
    style: int
    line: bool = True


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, in its unit."""

    label: str
    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def over(cls, label: str, values: Sequence[float], logarithmic: bool = False) -> Axis:
        """Return an axis on which all these values have a place, with a little air."""
        low, high = min(values), max(values)
        if logarithmic:
            air = (high / low) ** 0.04 if high > low else 1.25
            return cls(label, low / air, high * air, True)
        air = (high - low) * 0.05 or max(1.0, abs(high) * 0.05)
        return cls(label, low - air, high + air)

    def place(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 8) -> list[float]:
        """Return round values on the axis."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for mantissas in ((1, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
                found = [m * 10.0**d for d in decades for m in mantissas]
                found = [tick for tick in found if self.low <= tick <= self.high]
                if len(found) <= most:
                    break
            return found
        step = 10.0 ** math.floor(math.log10(self.high - self.low))
        for factor in (0.1, 0.2, 0.25, 0.5, 1, 2):
            if (self.high - self.low) / (step * factor) <= most:
                step *= factor
                break
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def lines(
    series: Sequence[Series], x: Axis, y: Axis, title: str, description: str, height: int = HEIGHT
) -> str:
    """Return a chart of series over two axes, with a legend above it."""
    right, bottom = WIDTH - _RIGHT, height - _BOTTOM

    def at(px: float, py: float) -> tuple[float, float]:
        return (
            _LEFT + x.place(px) * (right - _LEFT),
            bottom - y.place(py) * (bottom - _TOP),
        )

    parts = [frame(x, y, height)]
    for one in series:
        spots = [(*at(px, py), words) for px, py, words in one.points]
        if one.line and len(spots) > 1:
            path = " ".join(
                f"{'L' if n else 'M'}{a:.1f} {b:.1f}" for n, (a, b, _) in enumerate(spots)
            )
            parts.append(f'<path class="line c{one.style}" d="{path}"/>')
    for one in [*series[1:], *series[:1]]:  # the first series lies on top
        for a, b, words in ((*at(px, py), words) for px, py, words in one.points):
            label = escape(f"{one.name}, {words}" if words else one.name)
            parts.append(
                f'<g class="mark c{one.style}" transform="translate({a:.1f} {b:.1f})">'
                f"<title>{label}</title>{marker(one.style, 5.5 if one.line else 8)}</g>"
            )
    legend = (
        ""
        if len(series) < 2
        else "".join(
            f'<li><svg class="key" viewBox="-8 -8 16 16" aria-hidden="true"><g class="mark '
            f'c{one.style}">{marker(one.style, 6)}</g></svg>{escape(one.name)}</li>'
            for one in series
        )
    )
    return f'<ul class="legend">{legend}</ul>' + figure("".join(parts), title, description, height)


def area(heights: Sequence[float], x_label: str, y_label: str, title: str, description: str) -> str:
    """Return a chart of bars without gaps, such as the use of every codeword."""
    height, top = 220, max(heights)
    x = Axis(x_label, 0, len(heights))
    y = Axis(y_label, 0, top * 1.04)
    right, bottom = WIDTH - _RIGHT, height - _BOTTOM
    step = (right - _LEFT) / len(heights)
    path = [f"M{_LEFT} {bottom}"]
    for number, value in enumerate(heights):
        level = bottom - y.place(value) * (bottom - _TOP)
        path.append(f"L{_LEFT + number * step:.1f} {level:.1f}h{step:.2f}")
    path.append(f"V{bottom}Z")
    inside = frame(x, y, height) + f'<path class="area c0" d="{"".join(path)}"/>'
    return figure(inside, title, description, height)


def marker(style: int, size: float) -> str:
    """Return the marker of a series around the origin."""
    shape, s = _SHAPES[style % len(_SHAPES)], size
    if shape == "circle":
        return f'<circle r="{s:g}"/>'
    if shape == "square":
        return (
            f'<rect x="{-s * 0.85:g}" y="{-s * 0.85:g}" width="{s * 1.7:g}" height="{s * 1.7:g}"/>'
        )
    if shape == "triangle":
        return f'<path d="M0 {-s * 1.1:g}L{s:g} {s * 0.8:g}H{-s:g}Z"/>'
    if shape == "diamond":
        return f'<path d="M0 {-s * 1.2:g}L{s * 1.2:g} 0L0 {s * 1.2:g}L{-s * 1.2:g} 0Z"/>'
    if shape == "cross":
        return f'<path d="M{-s:g} {-s:g}L{s:g} {s:g}M{s:g} {-s:g}L{-s:g} {s:g}" class="open"/>'
    return f'<circle r="{s:g}" class="open"/>'


def frame(x: Axis, y: Axis, height: int) -> str:
    """Return grid, ticks and labels of a chart."""
    right, bottom = WIDTH - _RIGHT, height - _BOTTOM
    parts = []
    for tick in x.ticks(9):
        a = _LEFT + x.place(tick) * (right - _LEFT)
        parts.append(f'<path class="grid" d="M{a:.1f} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{a:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    for tick in y.ticks(7):
        b = bottom - y.place(tick) * (bottom - _TOP)
        parts.append(f'<path class="grid" d="M{_LEFT} {b:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{b + 4:.1f}" text-anchor="end">{tick:g}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    parts.append(
        f'<text class="label" x="{middle}" y="{height - 8}" text-anchor="middle">'
        f"{escape(x.label)}</text>"
    )
    half = (_TOP + bottom) / 2
    parts.append(
        f'<text class="label" text-anchor="middle" transform="translate(15 {half}) rotate(-90)">'
        f"{escape(y.label)}</text>"
    )
    return "".join(parts)


def figure(inside: str, title: str, description: str, height: int, width: int = WIDTH) -> str:
    """Return an SVG element that names and describes itself."""
    number = f"{zlib.crc32(f'{title}{description}'.encode()):08x}"
    return (
        f'<div class="chart"><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="t{number} d{number}"><title id="t{number}">{escape(title)}</title>'
        f'<desc id="d{number}">{escape(description)}</desc>{inside}</svg></div>'
    )


def against_rate(series: list[Series], label: str, unit: str, decimals: int) -> str:
    """Draw a score against the rate, in `unit` with so many decimals, and say it in words."""
    everything = [point for one in series for point in one.points]
    x = Axis.over(unit, [point[0] for point in everything], logarithmic=True)
    y = Axis.over(label, [point[1] for point in everything])
    words = "; ".join(
        f"{one.name} from {one.points[0][1]:.1f} at {one.points[0][0]:.{decimals}f} {unit} "
        f"to {one.points[-1][1]:.1f} at {one.points[-1][0]:.{decimals}f}"
        for one in series
    )
    return lines(series, x, y, f"{label} against rate", f"{label}: {words}.")
