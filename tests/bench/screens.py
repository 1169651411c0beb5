"""Pictures of screens, drawn from a seed: windows with text, tables, icons and charts.

They stand for pictures of one kind, on which somebody trains a codebook of their own.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

WIDTH, HEIGHT = 768, 512
_WORDS = [
    "open",
    "file",
    "with",
    "name",
    "and",
    "size",
    "in",
    "the",
    "list",
    "of",
    "all",
    "new",
    "items",
    "on",
    "this",
    "page",
    "save",
    "copy",
    "edit",
    "view",
    "help",
    "window",
    "search",
    "result",
    "date",
    "total",
    "value",
    "month",
    "week",
    "report",
    "table",
    "index",
    "page",
    "settings",
    "account",
    "message",
    "folder",
    "image",
    "sound",
    "colour",
    "width",
    "height",
    "version",
    "update",
    "error",
    "network",
    "status",
    "ready",
    "loading",
    "user",
    "system",
    "music",
    "photo",
    "north",
    "south",
    "river",
    "market",
]
_THEMES = (  # paper, ink, bar, accent
    ((250, 250, 250), (30, 30, 34), (224, 226, 230), (38, 110, 200)),
    ((255, 255, 255), (0, 0, 0), (60, 90, 140), (220, 90, 30)),
    ((36, 38, 44), (214, 216, 220), (52, 56, 64), (90, 190, 130)),
    ((246, 240, 228), (70, 54, 40), (200, 180, 150), (160, 60, 50)),
)


class _Screen:
    """One picture in the making."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.image = PIL.Image.fromarray(self._background())
        self.draw = PIL.ImageDraw.Draw(self.image)

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def colour(self) -> tuple[int, int, int]:
        r, g, b = (int(v) for v in self.random.integers(30, 236, 3))
        return r, g, b

    def words(self, count: int) -> str:
        text = " ".join(str(w) for w in self.random.choice(_WORDS, count))
        return text.capitalize() if self.random.random() < 0.5 else text

    def _background(self) -> np.ndarray:
        """A smooth blend between four corners."""
        corners = self.random.integers(20, 200, (2, 2, 3)) * 0.4 + self.random.integers(20, 140, 3)
        y, x = np.mgrid[0:1:HEIGHT*1j, 0:1:WIDTH*1j][..., None]  # fmt: skip
        top = corners[0, 0] * (1 - x) + corners[0, 1] * x
        bottom = corners[1, 0] * (1 - x) + corners[1, 1] * x
        return np.rint(top * (1 - y) + bottom * y).astype(np.uint8)

    def icon(self, x: int, y: int, size: int) -> None:
        """A badge of a few overlapping shapes."""
        box = (x, y, x + size, y + size)
        self.draw.rounded_rectangle(box, size // 5, self.colour(), outline=(20, 20, 20))
        for _ in range(self.integer(1, 3)):
            a, b = sorted(self.integer(3, size - 3) for _ in range(2))
            c, d = sorted(self.integer(3, size - 3) for _ in range(2))
            shape = (x + a, y + c, x + b, y + d)
            if self.random.random() < 0.5:
                self.draw.ellipse(shape, self.colour())
            else:
                self.draw.rectangle(shape, self.colour())

    def text(self, box: tuple[int, int, int, int], ink: tuple[int, int, int]) -> None:
        left, top, right, bottom = box
        height = self.integer(10, 16)
        font = PIL.ImageFont.load_default(height)
        y = top
        while y + height < bottom:
            if self.random.random() > 0.12:
                line = self.words(60)
                while font.getlength(line) > (right - left) * self.random.uniform(0.9, 1):
                    line = line.rsplit(" ", 1)[0]
                self.draw.text((left, y), line, ink, font)
            y += height * 3 // 2

    def table(self, box: tuple[int, int, int, int], theme: tuple) -> None:
        left, top, right, bottom = box
        height, columns = self.integer(16, 22), self.integer(3, 6)
        font = PIL.ImageFont.load_default(height * 3 // 5)
        for row, y in enumerate(range(top, bottom - height, height)):
            if row % 2 == 0:
                self.draw.rectangle((left, y, right, y + height - 1), theme[2])
            for column in range(columns):
                x = left + (right - left) * column // columns + 4
                value = self.words(1) if column == 0 else f"{self.random.normal(0, 500):.2f}"
                self.draw.text((x, y + height // 5), value, theme[1], font)
        self.draw.rectangle(box, outline=theme[1])

    def chart(self, box: tuple[int, int, int, int], theme: tuple) -> None:
        left, top, right, bottom = box
        for y in range(top, bottom, 24):
            self.draw.line((left, y, right, y), theme[2])
        self.draw.line((left, top, left, bottom, right, bottom), theme[1])
        count = self.integer(6, 24)
        width = (right - left) / count
        if self.random.random() < 0.5:
            colour = self.colour()
            for k in range(count):
                y = bottom - int(self.random.uniform(0.05, 0.95) * (bottom - top))
                x = left + int(k * width)
                self.draw.rectangle((x + 2, y, x + int(width) - 2, bottom - 1), colour)
        else:
            for _ in range(self.integer(1, 3)):
                walk = np.cumsum(self.random.normal(0, 1, count + 1))
                walk = (walk - walk.min()) / max(1.0, float(np.ptp(walk)))
                points = [
                    (left + k * width, bottom - 4 - v * (bottom - top - 8))
                    for k, v in enumerate(walk)
                ]
                self.draw.line(points, self.colour(), self.integer(1, 3))

    def window(self) -> None:
        theme = _THEMES[self.integer(0, len(_THEMES) - 1)]
        paper, ink, bar, accent = theme
        width, height = self.integer(260, 620), self.integer(180, 420)
        x, y = self.integer(-40, WIDTH - 200), self.integer(0, HEIGHT - 140)
        self.draw.rectangle((x + 3, y + 3, x + width + 3, y + height + 3), (40, 40, 40))
        self.draw.rectangle((x, y, x + width, y + height), paper, outline=ink)
        self.draw.rectangle((x + 1, y + 1, x + width - 1, y + 24), bar)
        self.draw.text((x + 10, y + 5), self.words(3), ink, PIL.ImageFont.load_default(13))
        for k in range(3):
            centre = x + width - 16 - 20 * k
            self.draw.ellipse((centre - 6, y + 7, centre + 6, y + 19), accent if k else ink)
        inner = (x + 14, y + 36, x + width - 14, y + height - 14)
        middle = inner[1] + (inner[3] - inner[1]) * self.integer(30, 70) // 100
        parts = [inner]
        if self.random.random() < 0.5:
            parts = [(*inner[:3], middle - 6), (inner[0], middle + 6, *inner[2:])]
        for part in parts:
            kind = self.random.random()
            if kind < 0.45:
                self.text(part, ink)
            elif kind < 0.7:
                self.table(part, theme)
            else:
                self.chart(part, theme)


def screen(seed: int) -> np.ndarray:
    """Return a picture of a screen, (512, 768, 3) uint8."""
    one = _Screen(seed)
    for k in range(one.integer(3, 8)):
        one.icon(18, 16 + 60 * k, 40)
    for _ in range(one.integer(2, 4)):
        one.window()
    return np.asarray(one.image)
