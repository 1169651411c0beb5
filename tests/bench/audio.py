"""The audio codec against MP3, Vorbis and Opus.

    python -m tests.bench.audio [--part rates|listening|onsets|speed]
                                [--fold ITEMS=CODEBOOK ...] [--items NAME ...]

Prints Markdown tables. The music is that of the corpus folder: the environment
variable VQCODEC_CORPUS, or ``../shared/corpus`` beside the repository. As the
corpus is small, the shipped codebook has heard all of it: `--fold` names
codebooks that have not, such as ``castanets,guitar=a.vqcb``. Peers are lame,
oggenc and opusenc; rates count payload (Ogg pages and headers removed). BD-rates
(``bjontegaard``, pchip) are taken per item over the common range, then averaged.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bjontegaard
import numpy as np
import soundfile

from tests.bench.corpus import corpus
from tests.bench.sounds import render
from vqcodec.audio.codec import Decoder, Encoder
from vqcodec.audio.options import Options
from vqcodec.codebook import Codebook
from vqcodec.metrics.noise_to_mask import noise_to_mask_ratio

RATE = 48000
Coded = tuple[float, np.ndarray]  # kilobits a second, samples
QUALITIES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
PEERS: dict[str, tuple[float, ...]] = {
    "opus": (24, 32, 48, 64, 96, 128),
    "vorbis": (-1, 0, 1, 2, 3, 4),
    "mp3": (32, 48, 64, 80, 96, 128),
}
FOLDS: dict[str, Codebook] = {}


def music() -> dict[str, np.ndarray]:
    found = {}
    for path in sorted((corpus() / "music").glob("*.flac")):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate == RATE
        found[path.stem] = samples
    return found


# --- the codecs ---------------------------------------------------------------


def ours(samples: np.ndarray, quality: float, name: str = "", **options: object) -> Coded:
    book = FOLDS.get(name)
    chosen = Options(**options) if options else Options(quality=quality)  # type: ignore[arg-type]
    encoder = Encoder(RATE, samples.shape[1], chosen, book)
    segments = encoder.write(samples) + encoder.finish()
    decoder = Decoder(encoder.header, book)
    parts, previous = [], None
    for segment in segments:
        parts.append(decoder.decode(segment, previous))
        previous = segment
    size = sum(map(len, segments))
    return _kilobits(size, samples), np.concatenate(parts)[: len(samples)]


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
            _run("lame", "--silent", "--abr", setting, wav, coded)
            back = coded
        decoded, rate = soundfile.read(back, dtype="float32", always_2d=True)
        size = os.path.getsize(coded) if codec == "mp3" else _ogg_payload(Path(coded).read_bytes())
    if rate != RATE:
        from scipy.signal import resample_poly

        decoded = resample_poly(decoded, RATE, rate, axis=0)
    return _kilobits(size, samples), _aligned(samples, decoded)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def _kilobits(size: int, samples: np.ndarray) -> float:
    return size * 8 / len(samples) * RATE / 1000


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


def rates(sounds: dict[str, np.ndarray]) -> None:
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    print("| item | codec | kb/s : noise-to-mask ratio in dB |\n|---|---|---|")
    for name, sound in sounds.items():
        points: dict[str, list[tuple[float, float]]] = {"vqcodec": []}
        for quality in QUALITIES:
            kilobits, decoded = ours(sound, quality, name)
            points["vqcodec"].append((kilobits, noise_to_mask_ratio(sound, decoded, RATE)))
        for codec, settings in PEERS.items():
            points[codec] = []
            for setting in settings:
                kilobits, decoded = peer(codec, sound, setting)
                points[codec].append((kilobits, noise_to_mask_ratio(sound, decoded, RATE)))
        curves[name] = points
        for codec, curve in points.items():
            text = ", ".join(f"{k:.0f}: {r:.2f}" for k, r in curve)
            print(f"| {name} | {codec} | {text} |", flush=True)
    print("\n| BD-rate against | " + " | ".join(curves) + " | mean |")
    print("|---|" + "---|" * (len(curves) + 1))
    for codec in PEERS:
        figures = [_bd_rate(points[codec], points["vqcodec"]) for points in curves.values()]
        row = " | ".join(f"{f:+.1f} %" for f in [*figures, float(np.mean(figures))])
        print(f"| {codec} | {row} |", flush=True)


def _bd_rate(anchor: list[tuple[float, float]], ours: list[tuple[float, float]]) -> float:
    (rate0, quality0), (rate1, quality1) = (
        zip(*sorted((k, -r) for k, r in curve), strict=True) for curve in (anchor, ours)
    )
    return float(
        bjontegaard.bd_rate(
            rate0,
            quality0,
            rate1,
            quality1,
            method="pchip",
            require_matching_points=False,
            min_overlap=0,
        )
    )


# --- (1) listening ------------------------------------------------------------


def listening(sounds: dict[str, np.ndarray]) -> None:
    """ViSQOL of left, right, side and the mono downmix."""
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")

    def scores(sound: np.ndarray, decoded: np.ndarray) -> list[float]:
        views: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
            lambda x: x[:, 0], lambda x: x[:, 1],
            lambda x: (x[:, 0] - x[:, 1]) / 2, lambda x: x.mean(1),
        )  # fmt: skip
        return [
            float(
                api.measure_from_arrays(
                    v(sound).astype(float), v(decoded).astype(float), sample_rate=RATE
                ).moslqo
            )
            for v in views
        ]

    print("| item | codec | kb/s | left | right | mean | side | mono |\n" + "|---" * 8 + "|")
    table: dict[tuple[str, int], list[list[float]]] = {}
    for name, sound in sounds.items():
        for target in (48, 64):
            runs: dict[str, Coded] = {}
            low, high = PEERS["opus"][0] / 2, 128.0
            for _ in range(5):  # Opus misses its target; look for the setting that meets it
                setting = round((low + high) / 2, 1)
                runs["opus"] = peer("opus", sound, setting)
                if abs(runs["opus"][0] - target) < 0.02 * target:
                    break
                low, high = (setting, high) if runs["opus"][0] < target else (low, setting)
            runs["vqcodec"] = ours(sound, 0, name, bitrate=round(runs["opus"][0] * 1000))
            runs["vorbis"] = peer("vorbis", sound, -1 if target == 48 else 0.3)
            runs["mp3"] = peer("mp3", sound, target)
            for codec, (kilobits, decoded) in runs.items():
                left, right, side, mono = scores(sound, decoded)
                row = [kilobits, left, right, (left + right) / 2, side, mono]
                table.setdefault((codec, target), []).append(row)
                text = " | ".join(f"{value:.2f}" for value in row)
                print(f"| {name} | {codec} | {text} |", flush=True)
    for (codec, target), rows in table.items():
        text = " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0))
        print(f"| mean at {target} | {codec} | {text} |")


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


def onsets(sounds: dict[str, np.ndarray]) -> None:
    chosen = {name: sound for name, sound in sounds.items() if name == "castanets"}
    chosen |= {name: render(name, seed=77, seconds=8.0) for name in ("clicks", "plucks")}
    print(
        "| item | onsets | Opus kb/s | Opus dB | vqcodec kb/s | vqcodec dB |\n" + "|---" * 6 + "|"
    )
    for name, sound in chosen.items():
        for setting in (32, 48, 64, 96):
            kilobits, decoded = peer("opus", sound, setting)
            count, theirs = pre_echo(sound, decoded)
            own, mine = ours(sound, 0, name, bitrate=round(kilobits * 1000))
            print(
                f"| {name} | {count} | {kilobits:.1f} | {theirs:.1f} | {own:.1f} "
                f"| {pre_echo(sound, mine)[1]:.1f} |",
                flush=True,
            )


# --- (4) speed ----------------------------------------------------------------


def speed(sounds: dict[str, np.ndarray]) -> None:
    """CPU time of one thread in this process; peers through soundfile."""
    import io

    sound = np.concatenate(list(sounds.values()))
    seconds = len(sound) / RATE
    best: dict[str, list[float]] = {}
    for _ in range(3):
        encoder = Encoder(RATE, 2, Options(quality=3))
        start = time.process_time()
        segments = encoder.write(sound) + encoder.finish()
        middle = time.process_time()
        decoder, previous = Decoder(encoder.header), None
        for segment in segments:
            decoder.decode(segment, previous)
            previous = segment
        _note(best, "vqcodec", middle - start, time.process_time() - middle)
        for codec, format, subtype in (
            ("Opus", "OGG", "OPUS"), ("Vorbis", "OGG", "VORBIS"), ("MP3", "MP3", "MPEG_LAYER_III"),
        ):  # fmt: skip
            file = io.BytesIO()
            start = time.process_time()
            soundfile.write(file, sound, RATE, format=format, subtype=subtype)
            middle = time.process_time()
            file.seek(0)
            soundfile.read(file, dtype="float32")
            _note(best, codec, middle - start, time.process_time() - middle)
    print("| codec | encoding, times real time | decoding |\n|---|---|---|")
    for codec, (encoding, decoding) in best.items():
        print(f"| {codec} | {seconds / encoding:.0f} | {seconds / decoding:.0f} |")


def _note(best: dict[str, list[float]], codec: str, encoding: float, decoding: float) -> None:
    held = best.setdefault(codec, [np.inf, np.inf])
    best[codec] = [min(held[0], encoding), min(held[1], decoding)]


PARTS = {
    "rates": rates, "listening": listening, "onsets": onsets, "speed": speed,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=list(PARTS), action="append")
    parser.add_argument("--fold", action="append", default=[])
    parser.add_argument("--items", nargs="*")
    arguments = parser.parse_args()
    for fold in arguments.fold:
        names, path = fold.split("=")
        FOLDS.update(dict.fromkeys(names.split(","), Codebook.load(path)))
    sounds = music()
    if arguments.items:
        sounds = {name: sounds[name] for name in arguments.items}
    for part in arguments.part or PARTS:
        print(f"\n## {part}\n")
        PARTS[part](sounds)


if __name__ == "__main__":
    main()
