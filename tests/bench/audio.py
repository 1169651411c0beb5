"""The audio codec against MP3, Vorbis and Opus.

    python -m tests.bench.audio --work FOLDER [--part rates|listening|onsets|speed|parts|models]
                                [--items NAME ...]

Trains codebooks that have not heard what they code (`tests.bench.audiobooks`), measures, and
prints Markdown tables. What is measured is kept in the folder: a run that was cut goes on where it
ended. The music is that of the corpus folder: the environment variable VQCODEC_CORPUS, or
``../shared/corpus`` beside the repository. Peers are lame (average bitrate), oggenc and opusenc
(VBR); rates count payload: Ogg pages and headers removed. BD-rates (``bjontegaard``, pchip) are
taken per item over the common range, then averaged.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bjontegaard
import numpy as np
import soundfile

from tests.bench.audiobooks import UNHEARD, book, held_out
from tests.bench.corpus import corpus
from tests.bench.sounds import render
from vqcodec.audio.codec import Decoder, Encoder
from vqcodec.audio.options import Options
from vqcodec.codebook import Codebook
from vqcodec.metrics.noise_to_mask import noise_to_mask_ratio

RATE = 48000
Coded = tuple[float, np.ndarray]  # kilobits a second, samples
QUALITIES = (1.5, 3.0, 4.5, 6.0, 8.0)
FEWER = (1.5, 4.5, 8.0)  # for what each part is worth
PEERS: dict[str, tuple[float, ...]] = {
    "opus": (32, 48, 64, 96, 110),
    "vorbis": (-1, 0, 1, 2, 3, 4),
    "mp3": (48, 64, 96, 128),
}
# Settings of the peers between which a wanted rate is looked for.
SETTINGS = {"opus": (16.0, 160.0), "vorbis": (-1.0, 5.0), "mp3": (24.0, 160.0)}


class Work:
    """The folder of a run: its codebooks, and what has been measured so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "measured.json"
        self._kept: dict[str, Any] = {}
        self._read()

    def _read(self) -> None:
        if self._path.exists():
            self._kept = json.loads(self._path.read_text())

    def kept(self, *key: object, measure: Callable[[], Any]) -> Any:
        """Return what `measure` found, now or in a run before."""
        name = " ".join(map(str, key))
        if name not in self._kept:
            found = measure()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._read()  # parts may run side by side
            self._kept[name] = found
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(self._kept, indent=0))
            os.replace(part, self._path)
        return self._kept[name]

    def book(self, item: str, **options: Any) -> Codebook:
        """Return a codebook that has not heard an item."""
        name = next((name for name, items in UNHEARD.items() if item in items), "winds")
        return book(self.folder, name, **options)


def music() -> dict[str, np.ndarray]:
    found = {}
    for path in sorted((corpus() / "music").glob("*.flac")):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate == RATE
        found[path.stem] = samples
    return found


# --- the codecs ---------------------------------------------------------------


def ours(samples: np.ndarray, codebook: Codebook | None, rate: int = RATE, **wishes: Any) -> Coded:
    encoder = Encoder(rate, samples.shape[1], Options(**wishes), codebook)
    segments = encoder.write(samples) + encoder.finish()
    decoder = Decoder(encoder.header, codebook)
    parts, previous = [], None
    for segment in segments:
        parts.append(decoder.decode(segment, previous))
        previous = segment
    size = sum(map(len, segments))
    return size * 8 / len(samples) * rate / 1000, np.concatenate(parts)[: len(samples)]


def peer(codec: str, samples: np.ndarray, setting: float) -> Coded:
    with tempfile.TemporaryDirectory() as folder:
        wav, coded, back = (os.path.join(folder, n) for n in ("a.wav", f"a.{codec}", "b.wav"))
        soundfile.write(wav, samples, RATE, subtype="PCM_16")
        if codec == "opus":
            _run("opusenc", "--quiet", "--bitrate", setting, wav, coded)
            _run("opusdec", "--quiet", "--rate", RATE, "--no-dither", "--float", coded, back)
        elif codec == "vorbis":
            _run("oggenc", "-Q", "-q", setting, wav, "-o", coded)
            back = coded
        else:
            _run("lame", "--silent", "--abr", round(setting), wav, coded)
            back = coded
        decoded, rate = soundfile.read(back, dtype="float32", always_2d=True)
        size = os.path.getsize(coded) if codec == "mp3" else _ogg_payload(Path(coded).read_bytes())
    if rate != RATE:
        from scipy.signal import resample_poly

        decoded = resample_poly(decoded, RATE, rate, axis=0)
    return size * 8 / len(samples) * RATE / 1000, _aligned(samples, decoded)


def peer_at(codec: str, samples: np.ndarray, kilobits: float) -> Coded:
    """Return what a peer makes of a sound at the setting whose rate is nearest to the wanted."""
    low, high = SETTINGS[codec]
    best: Coded | None = None
    for _ in range(6):
        setting = round((low + high) / 2, 2)
        found = peer(codec, samples, setting)
        if best is None or abs(found[0] - kilobits) < abs(best[0] - kilobits):
            best = found
        if abs(found[0] - kilobits) < 0.01 * kilobits:
            break
        low, high = (setting, high) if found[0] < kilobits else (low, setting)
    assert best is not None
    return best


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def _ogg_payload(data: bytes) -> int:
    """Return the bytes of the packets after the headers."""
    position = total = 0
    while position < len(data):
        count = data[position + 26]
        payload = sum(data[position + 27 : position + 27 + count])
        if data[position + 6 : position + 14] != bytes(8):
            total += payload
        position += 27 + count + payload
    return total


def _aligned(samples: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Shift by what correlates best (encoders add delays), and cut to length."""
    n = min(len(samples), len(decoded), 1 << 18)
    size = 1 << 19
    spectra = [np.fft.rfft(x[:n].mean(1), size) for x in (samples, decoded)]
    correlation = np.fft.irfft(np.conj(spectra[0]) * spectra[1])
    lag = int(np.argmax(np.concatenate([correlation[-3000:], correlation[:3000]]))) - 3000
    decoded = decoded[lag:] if lag > 0 else np.pad(decoded, ((-lag, 0), (0, 0)))
    missing = max(0, len(samples) - len(decoded))
    return np.pad(decoded, ((0, missing), (0, 0)))[: len(samples)]


# --- (1) rates ----------------------------------------------------------------


def _point(samples: np.ndarray, coded: Coded) -> tuple[float, float]:
    return coded[0], noise_to_mask_ratio(samples, coded[1], RATE)


def rates(sounds: dict[str, np.ndarray], work: Work) -> None:
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name, sound in sounds.items():
        curves[name] = {"vqcodec": _curve(work, name, sound)}
        for codec, settings in PEERS.items():
            curves[name][codec] = [
                work.kept(
                    "rate", codec, setting, name,
                    measure=lambda c=codec, s=setting, x=sound: _point(x, peer(c, x, s)),
                )
                for setting in settings
            ]  # fmt: skip
    print("| BD-rate against | " + " | ".join(curves) + " | mean |")
    print("|---|" + "---|" * (len(curves) + 1))
    for codec in PEERS:
        figures = [_bd_rate(points[codec], points["vqcodec"]) for points in curves.values()]
        row = " | ".join(f"{f:+.1f} %" for f in [*figures, float(np.mean(figures))])
        print(f"| {codec} | {row} |", flush=True)
    print("\n| item | codec | kb/s: noise-to-mask ratio in dB |\n|---|---|---|")
    for name, points in curves.items():
        for codec, curve in points.items():
            text = ", ".join(f"{k:.0f}: {r:.2f}" for k, r in curve)
            print(f"| {name} | {codec} | {text} |")


def _curve(
    work: Work, name: str, sound: np.ndarray, qualities: tuple[float, ...] = QUALITIES
) -> list[tuple[float, float]]:
    return [
        work.kept(
            "rate vqcodec", quality, name,
            measure=lambda q=quality: _point(sound, ours(sound, work.book(name), quality=q)),
        )
        for quality in qualities
    ]  # fmt: skip


def _bd_rate(anchor: list[tuple[float, float]], ours: list[tuple[float, float]]) -> float:
    (rate0, quality0), (rate1, quality1) = (
        zip(*sorted((k, -r) for k, r in curve), strict=True) for curve in (anchor, ours)
    )
    return float(
        bjontegaard.bd_rate(
            rate0, quality0, rate1, quality1, method="pchip", require_matching_points=False,
            min_overlap=0,
        )
    )  # fmt: skip


# --- (1) listening ------------------------------------------------------------

VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "left": lambda x: x[:, 0], "right": lambda x: x[:, 1],
    "side": lambda x: (x[:, 0] - x[:, 1]) / 2, "mono": lambda x: x.mean(1),
}  # fmt: skip
EXCERPT = slice(RATE, 6 * RATE)


def listening(sounds: dict[str, np.ndarray], work: Work) -> None:
    """ViSQOL of left, right, side and the mono downmix, of all codecs at the bytes of Opus."""
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")

    def scores(sound: np.ndarray, coded: Coded) -> list[float]:
        found = [
            api.measure_from_arrays(
                view(sound).astype(float), view(coded[1]).astype(float), sample_rate=RATE
            ).moslqo
            for view in VIEWS.values()
        ]
        return [coded[0], *map(float, found)]

    table: dict[tuple[str, int], list[list[float]]] = {}
    lines = []
    for target in (48, 64):
        for name, whole in sounds.items():
            sound = whole[EXCERPT]
            opus = work.kept(
                "listening", target, "opus", name,
                measure=lambda x=sound, t=target: scores(x, peer_at("opus", x, t)),
            )  # fmt: skip
            rows = {"opus": opus}
            rows["vqcodec"] = work.kept(
                "listening", target, "vqcodec", name,
                measure=lambda x=sound, n=name, k=opus[0]: scores(
                    x, ours(x, work.book(n), bitrate=round(k * 1000))
                ),
            )  # fmt: skip
            for codec in ("vorbis", "mp3"):
                rows[codec] = work.kept(
                    "listening", target, codec, name,
                    measure=lambda x=sound, c=codec, k=opus[0]: scores(x, peer_at(c, x, k)),
                )  # fmt: skip
            for codec, row in rows.items():
                row = [*row[:3], (row[1] + row[2]) / 2, *row[3:]]
                table.setdefault((codec, target), []).append(row)
                text = " | ".join(f"{value:.2f}" for value in row)
                lines.append(f"| {name} | {codec} | {text} |")
    head = "| item | codec | kb/s | left | right | left and right | side | mono |\n" + "|---" * 8
    print(head + "|")
    for (codec, target), found in table.items():
        text = " | ".join(f"{value:.2f}" for value in np.mean(found, axis=0))
        print(f"| mean at {target} | {codec} | {text} |")
    print("\n".join(["", head + "|", *lines]))


# --- (2) onsets ---------------------------------------------------------------


def pre_echo(sound: np.ndarray, decoded: np.ndarray) -> tuple[int, float]:
    """Return the onsets, and the mean error in the 5 ms before them relative to theirs, in dB."""
    n = 240
    count = len(sound) // n
    blocks = [x[: count * n].mean(1).reshape(-1, n) for x in (sound, sound - decoded)]
    energy, error = (np.square(b).mean(1) + 1e-12 for b in blocks)
    onsets = [
        i for i in range(4, count)
        if 10 * np.log10(energy[i] / (energy[i - 4 : i].max() + 1e-8)) > 12 and energy[i] > 1e-4
    ]  # fmt: skip
    return len(onsets), float(np.mean([10 * np.log10(error[i - 1] / energy[i]) for i in onsets]))


def onsets(sounds: dict[str, np.ndarray], work: Work) -> None:
    chosen = {name: sound for name, sound in sounds.items() if name == "castanets"}
    chosen |= {name: render(name, seed=77, seconds=8.0) for name in ("clicks", "damped")}
    print(
        "| item | onsets | Opus kb/s | Opus dB | vqcodec kb/s | vqcodec dB |\n" + "|---" * 6 + "|"
    )

    def compare(name: str, sound: np.ndarray, setting: float) -> list[float]:
        kilobits, theirs = peer("opus", sound, setting)
        own, mine = ours(sound, work.book(name), bitrate=round(kilobits * 1000))
        count, error = pre_echo(sound, theirs)
        return [count, kilobits, error, own, pre_echo(sound, mine)[1]]

    for name, sound in chosen.items():
        for setting in (32, 48, 64, 96):
            row = work.kept(
                "onsets", setting, name, measure=lambda n=name, x=sound, s=setting: compare(n, x, s)
            )
            text = " | ".join(f"{value:.1f}" for value in row[1:])
            print(f"| {name} | {row[0]} | {text} |", flush=True)


# --- (4) speed ----------------------------------------------------------------


def speed(sounds: dict[str, np.ndarray], work: Work) -> None:
    """CPU time of one thread in this process; peers through soundfile."""
    seconds, best = work.kept("speed", measure=lambda: _speed(np.concatenate([*sounds.values()])))
    print("| codec | encoding, times real time | decoding |\n|---|---|---|")
    for codec, (encoding, decoding) in best.items():
        print(f"| {codec} | {seconds / encoding:.0f} | {seconds / decoding:.0f} |")


def _speed(sound: np.ndarray) -> tuple[float, dict[str, list[float]]]:
    best: dict[str, list[float]] = {}
    for wish in ({"quality": 3.0}, {"bitrate": 64000}) * 2:
        encoder = Encoder(RATE, 2, Options(**wish))  # type: ignore[arg-type]
        start = time.process_time()
        segments = encoder.write(sound) + encoder.finish()
        middle = time.process_time()
        decoder, previous = Decoder(encoder.header), None
        for segment in segments:
            decoder.decode(segment, previous)
            previous = segment
        name = "vqcodec, " + " ".join(f"{k} {v:.0f}" for k, v in wish.items())
        _note(best, name, middle - start, time.process_time() - middle)
        for codec, format, subtype in (
            ("Opus", "OGG", "OPUS"), ("Vorbis", "OGG", "VORBIS"), ("MP3", "MP3", "MPEG_LAYER_III"),
        ):  # fmt: skip
            file = io.BytesIO()
            start = time.process_time()
            # All at once, libsndfile's Vorbis encoder overflows its stack.
            with soundfile.SoundFile(file, "w", RATE, 2, subtype, format=format) as coded:
                for block in np.array_split(sound, len(sound) // 65536 + 1):
                    coded.write(block)
            middle = time.process_time()
            file.seek(0)
            soundfile.read(file, dtype="float32")
            _note(best, codec, middle - start, time.process_time() - middle)
    return len(sound) / RATE, best


def _note(best: dict[str, list[float]], codec: str, encoding: float, decoding: float) -> None:
    held = best.setdefault(codec, [np.inf, np.inf])
    best[codec] = [min(held[0], encoding), min(held[1], decoding)]


# --- (5) what each part is worth ----------------------------------------------


def parts(sounds: dict[str, np.ndarray], work: Work) -> None:
    """The codec without one of its parts against the whole: decibels at equal rates, BD-rate."""
    from tests.bench.audioparts import PARTS, without

    print("| without | " + " | ".join(sounds) + " | mean | rate |")
    print("|---" * (len(sounds) + 3) + "|")
    for part in PARTS:
        losses, figures = [], []
        for name, sound in sounds.items():
            curve = [
                work.kept(
                    "part", part, quality, name,
                    measure=lambda p=part, q=quality, n=name, x=sound: _point(
                        x, without(p, x, q, work, n)
                    ),
                )
                for quality in FEWER
            ]  # fmt: skip
            whole = _curve(work, name, sound, FEWER)
            losses.append(_loss(whole, curve))
            overlap = min(r for _, r in curve) < max(r for _, r in whole)
            figures.append(_bd_rate(whole, curve) if overlap else np.nan)
        row = " | ".join(f"{loss:+.2f}" for loss in [*losses, float(np.mean(losses))])
        rate = "none overlaps" if np.isnan(figures).any() else f"{np.mean(figures):+.1f} %"
        print(f"| {PARTS[part]} | {row} | {rate} |", flush=True)


def _loss(whole: list[tuple[float, float]], curve: list[tuple[float, float]]) -> float:
    """Return how many decibels a curve lies above another, on average over the common rates."""
    x, y = (np.array(sorted(c)).T for c in (whole, curve))
    at = np.geomspace(max(x[0][0], y[0][0]), min(x[0][-1], y[0][-1]), 50)
    a, b = (np.interp(np.log(at), np.log(c[0]), c[1]) for c in (x, y))
    return float(np.mean(b - a))


# --- which codebook -----------------------------------------------------------


def models(sounds: dict[str, np.ndarray], work: Work) -> None:
    """The codebooks on speech that none has heard: BD-rate by signal-to-noise ratio."""
    books = {
        "music": lambda: book(work.folder, "winds"), "speech": lambda: book(work.folder, "voice"),
    }  # fmt: skip
    print("| speech | items | speech.vqcb against music.vqcb | fewest |\n|---|---|---|---|")
    groups: dict[str, list[float]] = {}
    for path in held_out():
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)

        def point(model: str, quality: float, x: np.ndarray = sound, r: int = rate) -> Any:
            kilobits, decoded = ours(x, books[model](), r, quality=quality)
            error = float(np.square(x - decoded).mean())
            return kilobits, -10 * math.log10(float(np.square(x).mean()) / error)

        curves = {
            model: [
                work.kept("model", model, q, path.name, measure=lambda m=model, q=q: point(m, q))
                for q in (2.0, 6.0)
            ]
            for model in books
        }
        group = "prompts, 8 kHz" if path.parent.name == "speech_prompts" else f"natural, {rate} Hz"
        groups.setdefault(group, []).append(_bd_rate(curves["music"], curves["speech"]))
    for group, figures in groups.items():
        better = sum(f < 0 for f in figures)
        print(f"| {group} | {len(figures)} | {np.mean(figures):+.1f} % | {better} times |")


MEASURES = {
    "rates": rates, "listening": listening, "onsets": onsets, "speed": speed, "parts": parts,
    "models": models,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="what is done is kept here")
    parser.add_argument("--part", choices=list(MEASURES), action="append")
    parser.add_argument("--items", nargs="*")
    arguments = parser.parse_args()
    sounds = music()
    if arguments.items:
        sounds = {name: sounds[name] for name in arguments.items}
    work = Work(arguments.work)
    for part in arguments.part or MEASURES:
        print(f"\n## {part}\n", flush=True)
        MEASURES[part](sounds, work)


if __name__ == "__main__":
    main()
