"""Tables of sizes and scores, and a sentence on what each score means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from vqcodec.files import human_bytes
from vqcodec.metrics import explain
from vqcodec.report.rivals import Point, Rivals, size_at

# Key, name, unit, decimals, and what it measures.
SCORES: tuple[tuple[str, str, str, int, str], ...] = (
    ("bytes", "Size", "", 0, "The whole file: headers, codebook and metadata included."),
    ("ratio_file", "Times smaller", "", 2, "The original's file size divided by this one."),
    (
        "ratio_raw", "Times smaller than raw", "", 1,
        "The size of the plain samples divided by this file's.",
    ),
    ("bpp", "Rate", "bits/pixel", 3, "Bits of the file for each pixel; raw colour has 24."),
    ("kbps", "Rate", "kb/s", 1, "Thousand bits of the file for each second of sound."),
    (
        "psnr", "PSNR", "dB", 2,
        "Peak signal-to-noise ratio: how far the mean squared error of all colours is below "
        "white squared. More is better; 6 dB are half the error.",
    ),
    ("psnr_y", "PSNR of luma", "dB", 2, "The same for brightness alone, where eyes look closest."),
    (
        "ssim", "SSIM", "", 4,
        "Structural similarity: whether local means, contrasts and patterns agree. 1 is identical.",
    ),
    (
        "ms_ssim", "MS-SSIM", "", 4,
        "The same at five scales, so that it matters less how close one sits. 1 is identical.",
    ),
    ("max_error", "Largest error", "", 0, "Of any one sample; white is 255, or 65535 at 16 bits."),
    ("codewords", "Codewords", "", 0, "Entries of the codebook (of every plane)."),
    ("used", "In use", "", 0, "Codewords that at least one block chose."),
    (
        "perplexity", "Perplexity", "", 1,
        "As many codewords, equally used, would carry the same information.",
    ),
    (
        "snr", "SNR", "dB", 2,
        "Power of the sound over that of the difference, over everything. It follows the waveform "
        "and knows nothing of masking: a codec that replaces noise by other noise scores low.",
    ),
    (
        "segmental_snr", "Segmental SNR", "dB", 2,
        "The mean of that over pieces of 20 ms, each between -10 and 35 dB: quiet passages count.",
    ),
    (
        "log_spectral_distance", "Log-spectral distance", "dB", 2,
        "How far the two power spectra are apart, wherever the phases are. Less is better.",
    ),
    (
        "noise_to_mask", "Noise-to-mask ratio", "dB", 2,
        "How far the noise is above what the sound itself masks; below 0 it should be inaudible.",
    ),
)  # fmt: skip


def shown(key: str, value: Any, decimals: int, unit: str = "") -> str:
    """Return one value as a table shows it."""
    if isinstance(value, list | tuple):
        return " + ".join(shown(key, part, decimals) for part in value)
    if value is None:
        return "–"
    if key == "bytes":
        return human_bytes(value)
    if math.isinf(value):
        return "identical"
    return f"{value:,.{decimals}f} {unit}".strip().replace(",", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table whose first column names its rows; all cells are HTML already."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def scores(names: Sequence[str], reports: Sequence[Mapping[str, Any]]) -> str:
    """Return the scores of several files side by side, a row for each score."""
    rows = []
    for key, label, unit, decimals, _ in SCORES:
        values = [report.get(key) for report in reports]
        if any(value is not None for value in values):
            cells = []
            for value in values:
                words = explain(key, value) if key in _JUDGED and value is not None else ""
                cell = escape(shown(key, value, decimals, unit))
                cells.append(cell + (f"<small>{escape(words)}</small>" if words else ""))
            rows.append([label, *cells])
    return table(["Score", *map(escape, names)], rows, "Each file against the original")


_JUDGED = {"psnr", "ms_ssim", "ssim", "snr", "log_spectral_distance", "noise_to_mask"}


def meanings(reports: Sequence[Mapping[str, Any]]) -> str:
    """Return a list with what each score means that one of the reports has."""
    items = [
        f"<div><dt>{escape(label)}</dt><dd>{escape(sentence)}</dd></div>"
        for key, label, _, _, sentence in SCORES
        if any(report.get(key) is not None for report in reports)
    ]
    return f'<dl class="meanings">{"".join(items)}</dl>'


def equal_quality(
    names: Sequence[str], reports: Sequence[Mapping[str, Any]], rivals: Rivals, metric: str
) -> str:
    """Return what the other codecs would need for the same score."""
    codecs = rivals.codecs()
    rows = []
    for name, report in zip(names, reports, strict=True):
        size, value = report.get("bytes"), report.get(metric)
        if size is None or value is None or math.isinf(value):
            continue
        cells = [human_bytes(size)]
        for points in codecs.values():
            wanted = size_at(points, metric, value)
            cells.append("outside its range" if wanted is None else _against(wanted, size))
        rows.append([escape(name), *cells])
    if not rows:
        return ""
    label = next(label for key, label, *_ in SCORES if key == metric)
    caption = f"Bytes for the same {label}, interpolated between the encodings above"
    return table(["File", "Its size", *codecs], rows, caption)


def _against(wanted: float, size: float) -> str:
    change = round(100 * (wanted / size - 1))
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    return f"{human_bytes(wanted)} <small>{sign}{abs(change)} %</small>"


def points(found: Sequence[Point], keys: Sequence[str], rate_of: Any, unit: str) -> str:
    """Return all encodings of the other codecs as a table, for those who do not see the chart."""
    chosen = [entry for entry in SCORES if entry[0] in keys]
    rows = [
        [
            f"{point.codec}, {point.setting}",
            human_bytes(point.bytes),
            f"{rate_of(point.bytes):.3g}",
            *(shown(key, point.scores.get(key), decimals) for key, _, _, decimals, _ in chosen),
        ]
        for point in found
    ]
    head = ["Encoding", "Size", unit, *(label for _, label, *_ in chosen)]
    return table(head, rows, "Every encoding in the charts")
