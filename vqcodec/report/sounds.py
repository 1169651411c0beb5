"""The report on a sound: listen, wave and spectrum, scores, the others."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from vqcodec import api, metrics
from vqcodec.codebook import Codebook
from vqcodec.container import Limits
from vqcodec.errors import ParameterError
from vqcodec.files import human_bytes
from vqcodec.media import load_audio
from vqcodec.report import charts, tables
from vqcodec.report.charts import Axis, Series
from vqcodec.report.page import Section, facts, page
from vqcodec.report.pictures import address, data_uri, heat_colors
from vqcodec.report.rivals import Rivals
from vqcodec.report.subject import Progress, name_of, size_of, step

QUALITIES = (3.0, 6.0, 9.0)  # of the files made where none are given
HEARD = 90  # seconds at most that the players hold
_WINDOW = 2048
_COLUMNS, _ROWS = 900, 300
_QUIET, _LOUD = -100.0, -20.0  # decibels of full scale: the ends of the spectrograms' colours
_TOP_FREQUENCY = 20_000
_PLANE = (58, 14, 646, 190)  # left, top, width, height of what a figure shows
_CHARTS = (
    ("noise_to_mask", "noise-to-mask ratio, dB (less is better)"),
    ("segmental_snr", "segmental SNR, dB (more is better)"),
    ("log_spectral_distance", "log-spectral distance, dB (less is better)"),
)


@dataclass(frozen=True, eq=False)
class CodedSound:
    """One coded version: float32 samples (frames, channels), as long as the original."""

    name: str
    kind: str
    size: int | None
    samples: np.ndarray
    scores: dict[str, Any]


@dataclass(frozen=True, eq=False)
class SoundSubject:
    """A sound, float32 (frames, channels) of full scale 1.0, and its coded versions."""

    name: str
    samples: np.ndarray
    rate: int
    size: int | None
    raw_bytes: int
    coded: list[CodedSound]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def load_sound_subject(
    original: Any,
    coded: Sequence[Any],
    codebook: Codebook | None,
    limits: Limits,
    progress: Progress | None = None,
) -> SoundSubject:
    """Load and measure a sound and its coded versions; make some where there are none.

    Raises
    ------
    VQError
        A file cannot be read or decoded, or has another sampling rate or other
        channels than the original.
    """
    audio = load_audio(original, limits)
    samples = audio.to_float()
    versions = [(name_of(source), source) for source in coded]
    if not versions:
        from vqcodec.audio import streaming

        for number, quality in enumerate(QUALITIES):
            step(progress, number / (2 * len(QUALITIES)), f"encoding at quality {quality:g}")
            file = io.BytesIO()
            streaming.encode(audio, file, codebook=codebook, limits=limits, quality=quality)
            versions.append((f"quality {quality:g}", file.getvalue()))
    done = []
    for number, (name, source) in enumerate(versions):
        step(progress, 0.5 + number / (2 * len(versions)), f"measuring {name}")
        kind, decoded, rate = _decoded(source, codebook, limits)
        if rate != audio.rate or decoded.shape[1] != audio.channels:
            raise ParameterError(
                f"{name} has {decoded.shape[1]} channels at {rate} Hz, "
                f"the original {audio.channels} at {audio.rate} Hz"
            )
        scores = metrics.audio_report(samples, decoded, rate)
        size, before = size_of(source), size_of(original)
        scores |= {
            "bytes": size,
            "kbps": size * 8 / audio.seconds / 1000 if size else None,
            "ratio_file": before / size if size and before else None,
            "ratio_raw": audio.raw_bytes / size if size else None,
        }
        fitted = np.zeros_like(samples)
        common = min(len(decoded), len(samples))
        fitted[:common] = decoded[:common]
        done.append(CodedSound(name, kind, size, fitted, scores))
    name, size = name_of(original), size_of(original)
    return SoundSubject(name, samples, audio.rate, size, audio.raw_bytes, done)


def _decoded(source: Any, codebook: Codebook | None, limits: Limits) -> tuple[str, np.ndarray, int]:
    """Return kind, samples and rate of a coded or an ordinary sound."""
    if api.is_coded_source(source):
        from vqcodec.audio import pipeline

        with api.opened(source, limits) as container:
            kind = container.kind.name.lower()
        decoded = pipeline.load_any(source, codebook, limits, True)
        return f"{kind} codec", decoded.to_float(), decoded.rate
    audio = load_audio(source, limits)
    format = audio.source.format if audio.source else ""
    return format or "sound", audio.to_float(), audio.rate


# --- the page ---------------------------------------------------------------------


def sound_page(subject: SoundSubject, rivals: Rivals | None) -> str:
    """Return the page on a sound."""
    sections = [
        Section("listen", "Listen", "Original, decoded, difference", _players(subject)),
        Section("wave", "Waveform", "Waveform", _waves(subject)),
        Section("spectrum", "Spectrograms", "Spectrograms", _spectrograms(subject)),
        Section("scores", "Scores", "Sizes and scores", _scores(subject)),
    ]
    if rivals is not None and rivals.points:
        sections.append(
            Section("others", "Other codecs", "Beside the other codecs", _others(subject, rivals))
        )
    channels = {1: "mono", 2: "stereo"}.get(
        subject.samples.shape[1], f"{subject.samples.shape[1]} channels"
    )
    size = f", {human_bytes(subject.size)}" if subject.size else ""
    lead = (
        f'<p class="soft">{_clock(subject.seconds)}, {channels}, {subject.rate / 1000:g} kHz'
        f"{size}; {human_bytes(subject.raw_bytes)} uncompressed.</p>"
    )
    return page(subject.name, lead, facts([_fact(one) for one in subject.coded]), sections)


def _fact(one: CodedSound) -> tuple[str, str, str]:
    rate, ratio = one.scores["kbps"], one.scores["ratio_raw"]
    figure = f"{rate:.1f} kb/s" if rate else "rate unknown"
    more = f"{human_bytes(one.size)}, {ratio:.1f} times smaller than raw" if one.size else ""
    return f"{one.name} · {one.kind}", figure, more


def _players(subject: SoundSubject) -> str:
    parts = [
        "<p>The difference is what the codec took away or added, amplified so that it can be "
        "heard; at its true level most of it is masked.</p>"
    ]
    if subject.seconds > HEARD:
        parts.append(f'<p class="soft">The first {HEARD} seconds.</p>')
    if subject.samples.shape[1] > 2:
        parts.append('<p class="soft">The first two channels.</p>')
    parts.append(f'<ul class="players">{_player("Original", subject.samples, subject.rate)}</ul>')
    for one in subject.coded:
        difference = one.samples - subject.samples
        peak = float(abs(difference).max(initial=0.0))
        gain = min(48, max(0, 6 * int(math.log2(0.7 / peak)))) if peak > 0 else 0
        amplified = f", {gain} dB louder" if gain else ""
        items = _player(f"Decoded from {one.name}", one.samples, subject.rate)
        items += _player(
            f"Difference of {one.name}{amplified}", difference * 10 ** (gain / 20), subject.rate
        )
        parts.append(f'<ul class="players">{items}</ul>')
    return "".join(parts)


def _player(name: str, samples: np.ndarray, rate: int) -> str:
    import soundfile

    file = io.BytesIO()
    heard = np.clip(samples[: HEARD * rate, :2], -1, 1)
    soundfile.write(file, heard, rate, format="FLAC", subtype="PCM_16")
    source = address("audio/flac", file.getvalue())
    label = escape(name)
    return f'<li><b>{label}</b><audio controls aria-label="{label}" src="{source}"></audio></li>'


def _waves(subject: SoundSubject) -> str:
    parts = [
        "<p>The loudest and the quietest sample of every moment, of all channels together: the "
        "original behind, the difference in front, both at the same scale.</p>"
    ]
    for one in subject.coded:
        words = f"Waveform of the original and of its difference from {one.name}"
        x = Axis("seconds", 0, subject.seconds)
        y = Axis("of full scale", -1, 1)
        inside = _wave(subject.samples, "c1") + _wave(one.samples - subject.samples, "c0")
        svg = charts.figure(_in_frame(inside, x, y), words, words, _figure_height())
        legend = (
            '<ul class="legend"><li><svg class="key c1" viewBox="0 0 16 16" aria-hidden="true">'
            '<rect class="wave" width="16" height="16" rx="3"/></svg>original</li>'
            '<li><svg class="key c0" viewBox="0 0 16 16" aria-hidden="true">'
            '<rect class="wave" width="16" height="16" rx="3"/></svg>'
            f"difference of {escape(one.name)}</li></ul>"
        )
        parts.append(legend + svg)
    return "".join(parts)


def _wave(samples: np.ndarray, style: str) -> str:
    """Return the outline of a sound in the plane of a figure."""
    left, top, width, height = _PLANE
    edges = np.linspace(0, len(samples), min(_COLUMNS, len(samples)) + 1).astype(int)
    high = np.maximum.reduceat(samples.max(axis=1), edges[:-1]).clip(-1, 1)
    low = np.minimum.reduceat(samples.min(axis=1), edges[:-1]).clip(-1, 1)
    x = left + width * edges[:-1] / len(samples)

    def place(value: np.ndarray) -> np.ndarray:
        return top + height * (1 - value) / 2

    upper = [f"{a:.1f} {b:.2f}" for a, b in zip(x, place(high) - 0.3, strict=True)]
    lower = [f"{a:.1f} {b:.2f}" for a, b in zip(x, place(low) + 0.3, strict=True)]
    return f'<path class="wave {style}" d="M{"L".join(upper + lower[::-1])}Z"/>'


def _spectrograms(subject: SoundSubject) -> str:
    stops = ",".join(f"rgb({r} {g} {b})" for r, g, b in heat_colors()[::15].tolist())
    parts = [
        "<p>How loud every frequency is at every moment, of all channels averaged. What is cut off "
        "at the top, smeared in time or filled with noise shows here.</p>"
        f'<p class="scale"><span>{_QUIET:g} dB</span><i style="background:linear-gradient(90deg,'
        f'{stops})"></i><span>{_LOUD:g} dB of full scale</span></p>'
    ]
    pictures = [("Original", subject.samples)]
    for one in subject.coded:
        pictures.append((f"Decoded from {one.name}", one.samples))
        pictures.append((f"Difference of {one.name}", one.samples - subject.samples))
    for name, samples in pictures:
        parts.append(f"<h3>{escape(name)}</h3>{_spectrogram(name, samples, subject.rate)}")
    return "".join(parts)


def _spectrogram(name: str, samples: np.ndarray, rate: int) -> str:
    levels, top = spectrogram(samples, rate)
    scaled = (levels - _QUIET) / (_LOUD - _QUIET) * 255
    source = data_uri(scaled.clip(0, 255).round().astype(np.uint8)[::-1], heat_colors())
    left, above, width, height = _PLANE
    image = (
        f'<image href="{source}" x="{left}" y="{above}" width="{width}" height="{height}" '
        'preserveAspectRatio="none"/>'
    )
    x = Axis("seconds", 0, len(samples) / rate)
    y = Axis("kHz", 0, top / 1000)
    frame = _in_frame(image, x, y)
    return charts.figure(frame, f"Spectrogram: {name}", f"{name}, 0 to {top} Hz", _figure_height())


def spectrogram(samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """Return levels in decibels of full scale, low frequencies first, and the highest frequency.

    Hann windows of 2048 frames (fewer of short sounds), over all channels averaged.

    Returns
    -------
    levels : (rows, columns) ndarray of float64
    top : int
        Hertz at the upper edge of the last row.
    """
    mono = samples.mean(axis=1, dtype=np.float64)
    mono = np.pad(mono, (0, max(0, _WINDOW - len(mono))))
    hop = max(_WINDOW // 8, -(-len(mono) // _COLUMNS))
    starts = np.arange(0, len(mono) - _WINDOW + 1, hop)
    window = np.hanning(_WINDOW + 1)[:-1]
    top = min(rate // 2, _TOP_FREQUENCY)
    bins = max(1, round(top / rate * _WINDOW))
    columns = []
    for start in starts:
        spectrum = np.fft.rfft(mono[start : start + _WINDOW] * window)
        columns.append(np.abs(spectrum[:bins]) ** 2)
    power = np.stack(columns, 1) / (window.sum() / 2) ** 2
    edges = np.linspace(0, bins, min(_ROWS, bins) + 1).astype(int)[:-1]
    pooled = np.maximum.reduceat(power, edges, axis=0)
    return 10 * np.log10(np.maximum(pooled, 1e-12)), top


def _figure_height() -> int:
    return _PLANE[1] + _PLANE[3] + 48


def _in_frame(inside: str, x: Axis, y: Axis) -> str:
    return charts.frame(x, y, _figure_height()) + inside


def _scores(subject: SoundSubject) -> str:
    names = [one.name for one in subject.coded]
    reports = [one.scores for one in subject.coded]
    return (
        tables.scores(names, reports)
        + "<h3>What the scores mean</h3>"
        + '<p class="soft">None of these numbers hears. The players above do.</p>'
        + tables.meanings(reports)
    )


def _others(subject: SoundSubject, rivals: Rivals) -> str:
    def rate_of(size: float) -> float:
        return size * 8 / subject.seconds / 1000

    parts = [
        "<p>The same sound, encoded on the spot. Rates are those of whole files.</p>"
        '<p class="soft">Scores that follow the waveform favour codecs that code everything '
        "alike, and punish those that leave out what is masked: read them beside the players, "
        "not in their place.</p>"
    ]
    known = [key for key, _ in _CHARTS if key in rivals.points[0].scores]
    for key, label in _CHARTS:
        if key in known:
            parts.append(_chart(subject, rivals, key, label, rate_of))
    if rivals.notes:
        parts.append(f'<p class="soft">{escape(" ".join(rivals.notes))}</p>')
    rows = tables.points(rivals.points, known, rate_of, "kb/s")
    parts.append(f"<details><summary>All encodings as a table</summary>{rows}</details>")
    return "".join(parts)


def _chart(subject: SoundSubject, rivals: Rivals, key: str, label: str, rate_of: Any) -> str:
    mine = sorted(
        (rate_of(one.size), one.scores[key], f"{one.name}, {human_bytes(one.size)}")
        for one in subject.coded
        if one.size and math.isfinite(one.scores[key])
    )
    series = [Series("files of this report", mine, 0, line=False)] if mine else []
    for number, (name, points) in enumerate(rivals.codecs().items()):
        spots = [(rate_of(p.bytes), p.scores[key], human_bytes(p.bytes)) for p in points]
        series.append(Series(name, spots, number + 1))
    return charts.against_rate(series, label, "kb/s", decimals=0)


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
