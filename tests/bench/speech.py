"""Speech at low rates against Opus and Codec 2: python -m tests.bench.speech [section ...]

Sections: narrow (8 kHz), wide (16 kHz), ablation, speed; all by default. PESQ
(P.862.1 narrow, P.862.2 wide) and STOI against the original, rates by actual
bytes: of ours the whole coded segments with what a file adds to each, of Opus
the packets without the Ogg pages, of Codec 2 the bare frames. None of the items
was trained on. Needs opusenc, opusdec, c2enc, c2dec, and pesq and pystoi.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tests.bench.corpus import corpus

NARROW = ("hts1", "hts1a", "kristoff")
WIDE = ("CA01_01",)
OUR_RATES = (1600, 2400, 3200, 4800, 6000, 8000, 12000)
OPUS_RATES = (6, 8, 12)
CODEC2_MODES = ("3200", "2400", "1600", "1400", "1300", "1200", "700C")

Coded = tuple[np.ndarray, int]


def item(name: str, rate: int) -> np.ndarray:
    """Return an item at `rate`, int16."""
    import soundfile
    from scipy.signal import resample_poly

    samples, own = soundfile.read(corpus() / "speech" / f"{name}.flac")
    if own != rate:
        samples = resample_poly(samples, rate, own)
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def ours(samples: np.ndarray, rate: int, bitrate: float, effort: int = 5) -> Coded:
    """Code and decode; return the samples and the bytes."""
    from vqcodec.audio.speech.codec import OVERHEAD, Decoder, Encoder
    from vqcodec.audio.speech.options import Options

    encoder = Encoder(rate, 1, Options(bitrate, effort))
    sound = (samples / 32768.0).astype(np.float32)[:, None]
    segments = encoder.write(sound) + encoder.finish()
    decoder = Decoder(encoder.header)
    previous: list[bytes | None] = [None, *segments[:-1]]
    parts = [decoder.decode(s, p) for s, p in zip(segments, previous, strict=True)]
    back = np.concatenate(parts)[: len(samples), 0]
    size = sum(map(len, segments)) + OVERHEAD * len(segments)
    return np.clip(np.rint(back * 32768), -32768, 32767).astype(np.int16), size


def opus(samples: np.ndarray, rate: int, kilobits: int) -> Coded:
    """Code and decode with opusenc; return the samples and the bytes of the packets."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wav, coded, back = (Path(folder) / n for n in ("a.wav", "a.opus", "b.wav"))
        soundfile.write(wav, samples, rate)
        subprocess.run(
            ["opusenc", "--quiet", "--speech", "--bitrate", str(kilobits), wav, coded], check=True
        )
        subprocess.run(["opusdec", "--quiet", "--rate", str(rate), coded, back], check=True)
        return soundfile.read(back, dtype="int16")[0][: len(samples)], packets(coded.read_bytes())


def packets(ogg: bytes) -> int:
    """Return the bytes of an Ogg stream's packets without its two header packets."""
    total, place, page = 0, 0, 0
    while place < len(ogg):
        lacing = ogg[place + 27 : place + 27 + ogg[place + 26]]
        total += sum(lacing) if page >= 2 else 0
        place += 27 + len(lacing) + sum(lacing)
        page += 1
    return total


def codec2(samples: np.ndarray, rate: int, mode: str) -> Coded:
    """Code and decode with Codec 2; return the samples and the bytes."""
    with tempfile.TemporaryDirectory() as folder:
        raw, coded, back = (Path(folder) / n for n in ("a.raw", "a.bit", "b.raw"))
        raw.write_bytes(np.concatenate([samples, np.zeros(640, np.int16)]).tobytes())
        for program, source, target in (("c2enc", raw, coded), ("c2dec", coded, back)):
            subprocess.run([program, mode, source, target], check=True, capture_output=True)
        decoded = np.frombuffer(back.read_bytes(), np.int16)
        size = round(coded.stat().st_size * len(samples) / (len(samples) + 640))
        return np.pad(decoded, (0, max(0, len(samples) - len(decoded))))[: len(samples)], size


def aligned(samples: np.ndarray, back: np.ndarray, rate: int) -> np.ndarray:
    """Return `back` earlier by the delay, of 0 to 60 ms, that STOI likes best: Codec 2 has one."""
    from pystoi import stoi

    shifts = [rate * ms // 1000 for ms in range(0, 61, 5)]
    moved = [np.concatenate([back[d:], np.zeros(d, back.dtype)]) for d in shifts]
    return max(moved, key=lambda m: stoi(samples, m, rate))


def measure(code: Callable[[np.ndarray, int], Coded], names: tuple[str, ...], rate: int) -> str:
    """Return the cells kb/s, PESQ and STOI, means over items."""
    from pesq import pesq
    from pystoi import stoi

    rows = []
    for name in names:
        samples = item(name, rate)
        back, size = code(samples, rate)
        back = aligned(samples, back, rate)
        band = "nb" if rate == 8000 else "wb"
        score = pesq(rate, samples / 32768, back / 32768, band)
        rows.append((size * 8 / len(samples) * rate / 1000, score, stoi(samples, back, rate)))
    bits, quality, intelligibility = np.mean(rows, axis=0)
    each = " ".join(f"{row[1]:.2f}" for row in rows)
    return f"{bits:.2f} | {quality:.3f} | {intelligibility:.3f} | {each} |"


def table(title: str, names: tuple[str, ...], coders: dict, rate: int) -> None:
    print(f"\n{title}: {', '.join(names)}\n\n| codec | kb/s | PESQ | STOI | PESQ of each |")
    print("|-|-|-|-|-|")
    for label, code in coders.items():
        print(f"| {label} | {measure(code, names, rate)}", flush=True)


def narrow() -> None:
    coders: dict[str, Callable] = {f"vqcodec {r}": partial(ours, bitrate=r) for r in OUR_RATES}
    coders |= {f"Opus {r}": partial(opus, kilobits=r) for r in OPUS_RATES}
    coders |= {f"Codec 2 {m}": partial(codec2, mode=m) for m in CODEC2_MODES}
    table("8 kHz", NARROW, coders, 8000)


def wide() -> None:
    coders: dict[str, Callable] = {
        f"vqcodec {r}": partial(ours, bitrate=r) for r in (8000, 10000, 12000, 16000, 20000)
    }
    coders |= {f"Opus {r}": partial(opus, kilobits=r) for r in (8, 10, 12, 16, 20)}
    table("16 kHz", WIDE, coders, 16000)


def ablation() -> None:
    """Print what each part is worth: PESQ and STOI at 2.4 and 8 kb/s without it."""
    from vqcodec.audio.speech import codec, encode, model

    of, tuned = model.Tables.of, encode._TUNINGS

    def flat(book, number):  # type: ignore[no-untyped-def]
        tables = of(book, number)
        contexts = tables.contexts.copy()
        contexts[:] = (1 << 15, 0)
        return replace(tables, contexts=contexts)

    def frozen(book, number):  # type: ignore[no-untyped-def]
        tables = of(book, number)
        contexts = tables.contexts.copy()
        contexts[:, 1] = 126
        return replace(tables, contexts=contexts)

    def one_stage(book, number):  # type: ignore[no-untyped-def]
        tables = of(book, number)
        books = tables.books.copy()
        books[:, 2:] = 0.0
        return replace(tables, books=books)

    def pitchless(book, number):  # type: ignore[no-untyped-def]
        tables = of(book, number)
        tables.__dict__["lags"] = np.array([2360])  # one lag, of 74 ms
        return tables

    variants: dict[str, tuple] = {
        "everything": (of, {}),
        "no trained probabilities": (flat, {}),
        "probabilities adapt slowly": (frozen, {}),
        "two of four envelope stages": (one_stage, {}),
        "no repeated past": (pitchless, {}),
        "one history": (of, {"alive": 1}),
        "no pressure towards full energy": (of, {"fullness": 0.0}),
        "distortion relative to loudness": (of, {"flatness": 1.0}),
        "no perceptual weighting": (of, {"near": 1.0, "far": 1.0}),
    }
    for bitrate in (2400, 8000):
        print(f"\n{bitrate} b/s\n\n| without | kb/s | PESQ | STOI | PESQ of each |\n|-|-|-|-|-|")
        for label, (tables, tuning) in variants.items():
            codec.Tables.of = tables  # type: ignore[method-assign]
            encode._TUNINGS = tuple(replace(t, **tuning) for t in tuned)
            effort = 1 if tuning.get("alive") == 1 else 5
            code = partial(ours, bitrate=bitrate, effort=effort)
            print(f"| {label} | {measure(code, NARROW, 8000)}", flush=True)
    codec.Tables.of, encode._TUNINGS = of, tuned  # type: ignore[method-assign]


def speed() -> None:
    """Print how many times faster than real time one thread codes and decodes, by effort."""
    from vqcodec.audio.speech.codec import Decoder, Encoder
    from vqcodec.audio.speech.options import Options

    print("\n| rate | effort | b/s | encode, times real time | decode |\n|-|-|-|-|-|")
    for rate, names, bitrate in ((8000, NARROW, 2400), (8000, NARROW, 8000), (16000, WIDE, 14000)):
        sound = np.concatenate([item(n, rate) for n in names * 2])[:, None] / np.float32(32768)
        for effort in (1, 5, 9):
            best = [1e9, 1e9]
            for _ in range(2):
                start = time.process_time()
                encoder = Encoder(rate, 1, Options(bitrate, effort))
                segments = encoder.write(sound) + encoder.finish()
                best[0] = min(best[0], time.process_time() - start)
                start = time.process_time()
                decoder = Decoder(encoder.header)
                for i, segment in enumerate(segments):
                    decoder.decode(segment, segments[i - 1] if i else None)
                best[1] = min(best[1], time.process_time() - start)
            seconds = len(sound) / rate
            figures = f"{seconds / best[0]:.1f} | {seconds / best[1]:.0f}"
            print(f"| {rate} | {effort} | {bitrate} | {figures} |", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sections = {"narrow": narrow, "wide": wide, "ablation": ablation, "speed": speed}
    for name in sys.argv[1:] or sections:
        sections[name]()
