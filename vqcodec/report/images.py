"""The report on an image: look, scores, the others, the codebook, the colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from vqcodec.files import human_bytes
from vqcodec.media.image import to_eight_bits
from vqcodec.metrics import explain
from vqcodec.report import charts, pictures, tables
from vqcodec.report.charts import Axis, Series
from vqcodec.report.page import Section, facts, page, picture
from vqcodec.report.pictures import data_uri, heat_colors
from vqcodec.report.rivals import Rivals
from vqcodec.report.subject import CodedImage, ImageSubject, Swatches

MOST_PIXELS = 4_000_000  # of a picture on the page; larger ones are shown smaller
_CLOSEUP = 72  # pixels
_ENLARGED = 4
_KINDS = {
    "photo": "photo codec",
    "patch": "patch codec",
    "palette": "palette",
}


def image_page(subject: ImageSubject, rivals: Rivals | None) -> str:
    """Return the page on an image."""
    sections = [
        Section("look", "Look", "Original and reconstruction", _viewer(subject)),
        Section("closeup", "Up close", "Where it hurts most", _closeups(subject)),
        Section("scores", "Scores", "Sizes and scores", _scores(subject)),
    ]
    if rivals is not None and rivals.points:
        sections.append(
            Section("others", "Other codecs", "Beside the other codecs", _others(subject, rivals))
        )
    books = _codebooks(subject)
    if books:
        sections.append(Section("codebook", "Codebook", "The codebook", books))
    colors = _colors(subject)
    if colors:
        sections.append(Section("colours", "Colours", "Colours, before and after", colors))
    image = subject.image
    what = ("gray", "gray with transparency", "colour", "colour with transparency")
    size = f", {human_bytes(subject.size)}" if subject.size else ""
    lead = (
        f'<p class="soft">{image.width} × {image.height} pixels, {what[image.channels - 1]}, '
        f"{image.bits} bits a sample{size}; {human_bytes(image.raw_bytes)} uncompressed.</p>"
    )
    return page(subject.name, lead, facts([_fact(one) for one in subject.coded]), sections)


def _fact(one: CodedImage) -> tuple[str, str, str]:
    psnr = one.scores["psnr"]
    words = explain("psnr", psnr)
    quality = words if math.isinf(psnr) else f"PSNR {psnr:.1f} dB: {words}"
    ratio = one.scores.get("ratio_raw")
    smaller = f"{ratio:.1f} times smaller than raw. " if ratio else ""
    size = human_bytes(one.size) if one.size else "size unknown"
    return f"{one.name} · {_KINDS.get(one.kind, one.kind)}", size, smaller + quality


# --- looking ----------------------------------------------------------------------


def _viewer(subject: ImageSubject) -> str:
    icc = subject.image.metadata.icc
    shown, side = pictures.reduced(_narrow(subject.samples), MOST_PIXELS)
    height, width = shown.shape[:2]
    images = [_layer("original", None, f"The original, {subject.name}", data_uri(shown, icc=icc))]
    scales = []
    for number, one in enumerate(subject.coded):
        decoded = pictures.reduced(_narrow(one.samples), MOST_PIXELS)[0]
        levels = pictures.reduced(one.errors.levels()[:, :, None], MOST_PIXELS)[0][:, :, 0]
        images.append(
            _layer("coded", number, f"Decoded from {one.name}", data_uri(decoded, icc=icc))
        )
        images.append(
            _layer(
                "error", number, f"Error of {one.name}, dark for none and light for the most",
                data_uri(levels, heat_colors()),
            )
        )  # fmt: skip
        scales.append(_scale(number, one.errors.top))
    files = ""
    if len(subject.coded) > 1:
        choices = "".join(
            f'<option value="{n}">{escape(one.name)}</option>'
            for n, one in enumerate(subject.coded)
        )
        files = f'<label><span class="soft">File</span> <select>{choices}</select></label>'
    radios = "".join(
        f'<label><input type="radio" name="view" value="{value}"{checked}>'
        f"<span>{label}</span></label>"
        for value, label, checked in (
            ("both", "Both", " checked"), ("original", "Original", ""),
            ("coded", "Decoded", ""), ("error", "Error", ""),
        )
    )  # fmt: skip
    note = ""
    if side > 1:
        note = (
            f'<p class="soft">Shown at 1/{side} of its size to keep this file small; '
            "everything is measured at full size.</p>"
        )
    return f"""<p>Drag the divider, or move the slider with the arrow keys: left of it is the
original, right of it what the file decodes to. Zoom in to see pixels.</p>
<div data-viewer>
<div class="controls">
<fieldset><legend>Show</legend><div class="segments">{radios}</div></fieldset>
{files}
<fieldset><legend>Zoom</legend>
<button type="button" data-zoom="-1" aria-label="Zoom out">−</button><output>100 %</output>
<button type="button" data-zoom="1" aria-label="Zoom in">+</button>
<button type="button" data-zoom="0">Fit</button></fieldset>
</div>
<div class="pane" tabindex="0" role="region" aria-label="The picture; plus and minus zoom, 0 fits">
<div class="stage" data-view="both" data-width="{width}" data-height="{height}"
 style="width:100%;max-width:{width}px;aspect-ratio:{width}/{height}">
{"".join(images)}
<div class="divider"></div>
</div></div>
<label class="cut"><span>Original</span><input type="range" min="0" max="100" step="0.5" value="50"
 aria-label="Divider between the original on the left and the decoded picture on the right">
<span>Decoded</span></label>
{"".join(scales)}
</div>{note}"""


def _layer(kind: str, number: int | None, alt: str, address: str) -> str:
    version = f' data-version="{number}"' if number is not None else ""
    hidden = " hidden" if kind == "error" or number not in (None, 0) else ""
    words = f'{version} alt="{escape(alt)}" draggable="false"{hidden}'
    return f'<img class="{kind}"{words} src="{address}">'


def _scale(number: int, top: float) -> str:
    stops = heat_colors()[::15]
    gradient = ",".join(f"rgb({r} {g} {b})" for r, g, b in stops.tolist())
    return (
        f'<p class="scale" data-version="{number}" hidden><span>no error</span>'
        f'<i style="background:linear-gradient(90deg,{gradient})"></i>'
        f"<span>{top:g} of 255 and more</span></p>"
    )


def _closeups(subject: ImageSubject) -> str:
    narrow = _narrow(subject.samples)
    icc = subject.image.metadata.icc
    parts = [
        "<p>The square of every file with the largest mean squared error, enlarged: the original, "
        "what became of it, and the error.</p>"
    ]
    for one in subject.coded:
        y, x = pictures.worst_place(one.errors.values, _CLOSEUP)
        cut = slice(y, y + _CLOSEUP), slice(x, x + _CLOSEUP)
        place = f"at {x}, {y}"
        levels = one.errors.levels()[cut]
        triple = (
            ("original", data_uri(narrow[cut], icc=icc)),
            ("decoded", data_uri(_narrow(one.samples)[cut], icc=icc)),
            ("error", data_uri(levels, heat_colors())),
        )
        figures = "".join(
            picture(address, f"{name}, {_CLOSEUP} pixels wide, {place}", f"{name}, {place}")
            for name, address in triple
        )
        heading = f"<h3>{escape(one.name)}</h3>" if len(subject.coded) > 1 else ""
        parts.append(f'{heading}<div class="closeups">{figures}</div>')
    return "".join(parts)


def _narrow(samples: np.ndarray) -> np.ndarray:
    return to_eight_bits(samples) if samples.dtype == np.uint16 else samples


# --- numbers ----------------------------------------------------------------------


def _scores(subject: ImageSubject) -> str:
    names = [one.name for one in subject.coded]
    reports = [one.scores for one in subject.coded]
    return (
        tables.scores(names, reports)
        + "<h3>What the scores mean</h3>"
        + '<p class="soft">The words beside them are rules of thumb for pictures on a screen at '
        "arm’s length; what a number means depends on the picture.</p>" + tables.meanings(reports)
    )


def _others(subject: ImageSubject, rivals: Rivals) -> str:
    pixels = subject.image.width * subject.image.height
    names = [one.name for one in subject.coded]
    reports = [one.scores for one in subject.coded]
    parts = [
        "<p>The same picture, encoded on the spot by the codecs that browsers know. Up and to the "
        "left is better: more quality for fewer bits. Rates are those of whole files.</p>"
    ]
    for metric, label in (("psnr", "PSNR, dB"), ("ms_ssim", "MS-SSIM, dB")):
        parts.append(_chart(subject.coded, rivals, pixels, metric, label))
        if metric == "psnr":
            parts.append(tables.equal_quality(names, reports, rivals, "psnr"))
        else:
            parts.append(
                '<p class="soft">MS-SSIM is drawn as −10·log₁₀(1 − MS-SSIM), so that differences '
                "near 1 show.</p>"
            )
            parts.append(tables.equal_quality(names, reports, rivals, "ms_ssim"))
    if rivals.notes:
        parts.append(f'<p class="soft">{escape(" ".join(rivals.notes))}</p>')
    rows = tables.points(
        rivals.points, ("psnr", "ms_ssim"), lambda size: size * 8 / pixels, "bits/pixel"
    )
    parts.append(f"<details><summary>All encodings as a table</summary>{rows}</details>")
    return "".join(parts)


def _chart(
    coded: Sequence[CodedImage], rivals: Rivals, pixels: int, metric: str, label: str
) -> str:
    """Return the rate-distortion chart of one score; what is lossless has no place on it."""

    def height(value: float) -> float:
        return -10 * math.log10(max(1 - value, 1e-6)) if metric == "ms_ssim" else value

    series = []
    mine = [
        (one.size * 8 / pixels, height(one.scores[metric]), f"{one.name}, {human_bytes(one.size)}")
        for one in coded
        if one.size and not math.isinf(one.scores[metric])
    ]
    if mine:
        series.append(Series("files of this report", sorted(mine), 0, line=False))
    for number, (name, points) in enumerate(rivals.codecs().items()):
        spots = [
            (p.bytes * 8 / pixels, height(p.scores[metric]), f"{p.setting}, {human_bytes(p.bytes)}")
            for p in points
            if not math.isinf(p.scores[metric])
        ]
        if spots:
            series.append(Series(name, spots, number + 1))
    return charts.against_rate(series, label, "bits per pixel", decimals=2)


# --- codebooks and colours --------------------------------------------------------


def _codebooks(subject: ImageSubject) -> str:
    parts = []
    for one in subject.coded:
        if one.planes:
            parts.append(f"<h3>{escape(one.name)}</h3>" if len(subject.coded) > 1 else "")
            parts.extend(map(_plane, one.planes))
    photo = next((one for one in subject.coded if one.codewords is not None), None)
    if photo is not None and photo.codewords is not None:
        parts.append(_photo_book(photo.codewords))
    return "".join(parts)


def _plane(plane: pictures.Plane) -> str:
    count, height, width, _ = plane.blocks.shape
    tiles = pictures.mosaic(pictures.by_usage(plane), scale=max(1, math.ceil(16 / width)))
    mosaic = picture(
        data_uri(tiles),
        f"{count} codewords of {width} by {height} pixels",
        f"{plane.name}: {count} codewords of {width} × {height}, the most used first",
        "mosaic",
    )
    assert plane.counts is not None
    share = np.sort(plane.counts)[::-1] / plane.counts.sum()
    half = int(np.searchsorted(np.cumsum(share), 0.5)) + 1
    used = share[share > 0]
    perplexity = float(2 ** -(used * np.log2(used)).sum())
    sentence = (
        f"{half} of {count} codewords make up half of the picture; the indices carry "
        f"{math.log2(perplexity):.2f} bits each before any context is used, as "
        f"{perplexity:.0f} equally used codewords would."
    )
    bars = share[share > 0] * 100
    chart = charts.area(
        bars.tolist(), "codewords, the most used first", "% of the blocks",
        f"Use of the codewords of {plane.name}", sentence,
    )  # fmt: skip
    return f'<div class="books">{mosaic}<div>{chart}<p class="soft">{sentence}</p></div></div>'


def _photo_book(codewords: np.ndarray) -> str:
    """Draw the pairs of magnitudes of a photo codebook in their plane."""
    pairs = codewords / 64.0
    far = float(pairs.max()) * 1.06
    points = [(float(a), float(b), f"{a:.2f}, {b:.2f}") for a, b in pairs]
    series = [Series("codewords", points, 0, line=False)]
    x = Axis("first coefficient of the pair, in steps", -far * 0.03, far)
    y = Axis("second, in steps", -far * 0.03, far)
    sentence = (
        f"{len(pairs)} codewords stand for the magnitudes of two neighbouring transform "
        "coefficients."
    )
    chart = charts.lines(series, x, y, "Codewords of the photo codec", sentence)
    return (
        f"<p>The photo codec predicts each block from its neighbours, transforms what is left, and "
        f"quantizes pairs of coefficients: {len(pairs)} trained codewords of magnitudes, signs "
        f"apart, larger values by an escape. The codebook is shared by all pictures and is not "
        f"part of the file.</p>{chart}"
    )


def _colors(subject: ImageSubject) -> str:
    if subject.colors is None:
        return ""
    pixels = subject.image.width * subject.image.height
    before = subject.colors
    parts = [f"<h3>Before: {_so_many(before.total)}</h3>"]
    most = len(before.rgba)
    if before.total > most:
        most = min(32, most)
        parts.append(
            f'<p class="soft">Similar ones counted together; the {most} most frequent groups, '
            "each by its mean.</p>"
        )
    parts.append(_swatches(before, most, pixels))
    for one in subject.coded:
        if one.palette is not None:
            parts.append(f"<h3>After, in {escape(one.name)}: {_so_many(one.palette.total)}</h3>")
            parts.append(_swatches(one.palette, len(one.palette.rgba), pixels))
    return "".join(parts)


def _so_many(count: int) -> str:
    return "1 colour" if count == 1 else f"{count:,} colours".replace(",", " ")


def _swatches(colors: Swatches, most: int, pixels: int) -> str:
    items = []
    for rgba, count in zip(colors.rgba[:most].tolist(), colors.counts[:most].tolist(), strict=True):
        code = "#" + bytes(rgba[: 3 if rgba[3] == 255 else 4]).hex()
        share = f"{100 * count / pixels:.3g} %"
        items.append(
            f'<li title="{code}, {count:.0f} pixels"><i style="--swatch:{code}"></i><code>{code}'
            f"</code><span><br>{count:,.0f} px<br>{share}</span></li>"
        )
    many = " many" if most > 64 else ""
    return f'<ul class="swatches{many}">{"".join(items)}</ul>'
