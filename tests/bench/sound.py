"""Sound files: memory and time of hours of sound, and what the frames codec yields.

    python -m tests.bench.sound --frames
    python -m tests.bench.sound [--hours 3] [--rate 48000] [--channels 2] [--kinds ...]

The first encodes speech and music by kind ``frames`` at several qualities. The
second makes a WAV file of noise and gliding tones, encodes and decodes it in
processes of their own, and prints the peak resident memory and the processor
time of each. The files are deleted. Both print Markdown.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.bench.corpus import corpus
from vqcodec import audio, metrics

_BLOCK = 1 << 18
_ROOT = Path(__file__).parent.parent.parent


def make(path: Path, seconds: float, rate: int, channels: int) -> None:
    """Write noise, whose loudness and colour change, and tones that glide."""
    generator = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate, channels, "PCM_16", format="WAV") as file:
        phase = 0.0
        for start in range(0, round(seconds * rate), _BLOCK):
            t = start / rate
            noise = generator.standard_normal((_BLOCK, channels)) * (0.02 + 0.015 * np.sin(t / 7))
            smooth = (noise[1:] + noise[:-1]) / 2 if start // _BLOCK % 2 else noise[1:]
            angles = phase + 2 * np.pi * np.cumsum(
                np.full(_BLOCK, (220 + 180 * np.sin(t / 3)) / rate)
            )
            phase = angles[-1]
            tones = 0.2 * np.sin(angles) + 0.1 * np.sin(3.01 * angles)
            block = np.outer(tones, 0.7 ** np.arange(channels))
            block[1:] += smooth
            file.write(block[: round(seconds * rate) - start].astype(np.float32))


def run(*arguments: str, folder: Path) -> tuple[float, float, float]:
    """Run a command; return its peak memory in MB, its processor and its wall seconds."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "vqcodec", *arguments]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(_ROOT)})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"vqcodec {' '.join(arguments)} failed")
    cpu = usage.ru_utime + usage.ru_stime
    return usage.ru_maxrss / 1000, cpu, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--rate", type=int, default=48000)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", default=["frames", "audio"])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--frames", action="store_true")
    options = parser.parse_args()
    if options.frames:
        frames()
        return
    seconds = options.hours * 3600
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make(folder / "warm.wav", 20, options.rate, options.channels)
        make(folder / "long.wav", seconds, options.rate, options.channels)
        print("| step | coded size | peak memory | times real time (CPU) |")
        print("|---|---|---|---|", flush=True)
        for kind in options.kinds:
            for what in ("warm", "long"):  # the first run compiles the kernels
                report(what, kind, seconds, folder)


def frames() -> None:
    """Print rate and distortion of the frames codec, of music and speech apart."""
    print("| options | bits a sample | speech SNR | music SNR |")
    print("|---|---|---|---|")
    wishes: list[dict[str, Any]] = [{"quality": q} for q in (0, 2.5, 5, 7.5, 10)]
    wishes += [{"codewords": 1024}, {"gain_bits": 4}, {"frame": 1, "codewords": 2, "gain_bits": 7}]
    for wish in wishes:
        found: dict[str, list[tuple[float, float]]] = {"speech": [], "music": []}
        for kind, pairs in found.items():
            for path in sorted((corpus() / kind).glob("*.flac")):
                samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
                samples = samples[: 10 * rate]
                data = audio.write(None, samples, rate, kind="frames", **wish)
                decoded, _ = audio.read(data, dtype="float32", always_2d=True)
                pairs.append((len(data) * 8 / samples.size, metrics.snr(samples, decoded)))
        rates = np.mean([rate for pairs in found.values() for rate, _ in pairs])
        speech, music = (np.mean([snr for _, snr in pairs]) for pairs in found.values())
        name = ", ".join(f"{key}={value}" for key, value in wish.items())
        print(f"| {name} | {rates:.2f} | {speech:.1f} dB | {music:.1f} dB |", flush=True)


def report(what: str, kind: str, seconds: float, folder: Path) -> None:
    steps = (
        ("encode", "encode", f"{what}.wav", "--kind", kind, "-o", f"{what}.vqa"),
        ("decode", "decode", f"{what}.vqa", "-o", f"{what}-back.wav"),
        ("decode 10 s from the middle", "decode", f"{what}.vqa", "-o", f"{what}-part.wav",
         "--start", f"{seconds / 2:.1f}", "--end", f"{seconds / 2 + 10:.1f}"),
    )  # fmt: skip
    for label, *command in steps if what == "long" else steps[:2]:
        memory, cpu, _ = run(*command, "--force", "--quiet", folder=folder)
        size = (folder / f"{what}.vqa").stat().st_size / 1e6
        speed = f"{seconds / cpu:.0f}" if label != steps[2][0] else f"{cpu:.1f} s"
        if what == "long":
            print(f"| {kind}: {label} | {size:.0f} MB | {memory:.0f} MB | {speed} |", flush=True)
    for path in folder.glob(f"{what}*back.wav"):
        path.unlink()


if __name__ == "__main__":
    main()
