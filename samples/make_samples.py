"""Draw and synthesize the samples beside the photograph: ``python samples/make_samples.py``.

Two pictures that a codec for photographs finds hard (a logo with soft alpha
edges, a screenshot-like graphic) and two sounds (stereo music, a voice-like
signal), all from formulas and a fixed seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
MUSIC_RATE, VOICE_RATE = 44100, 16000


# --- pictures -----------------------------------------------------------------


def smoothstep(distance: np.ndarray, softness: float) -> np.ndarray:
    """From 1 inside (negative distance) to 0 outside, over `softness` pixels."""
    t = np.clip(0.5 - distance / softness, 0, 1)
    return t * t * (3 - 2 * t)


def rounded_box(
    x: np.ndarray, y: np.ndarray, half_width: float, half_height: float, radius: float
) -> np.ndarray:
    """Signed distance to a box with round corners about the origin."""
    dx, dy = abs(x) - half_width + radius, abs(y) - half_height + radius
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - radius


def over(image: np.ndarray, color: np.ndarray | tuple, alpha: np.ndarray) -> None:
    """Lay a colour, 0 to 1, over a premultiplied RGBA image in place."""
    alpha = alpha[..., np.newaxis]
    image[..., :3] = np.asarray(color) * alpha + image[..., :3] * (1 - alpha)
    image[..., 3:] = alpha + image[..., 3:] * (1 - alpha)


def draw_logo(size: int = 384) -> Image.Image:
    """A sphere that turns into its quantized self from left to right, with a soft shadow."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5 - size / 2) / (size / 2)
    image = np.zeros((size, size, 4))
    shadow = smoothstep(np.hypot(x - 0.03, y - 0.09) - 0.68, 0.42)
    over(image, (0.05, 0.05, 0.15), 0.55 * shadow)

    def shade(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        light = np.clip(1 - np.hypot(x + 0.25, y + 0.3) / 1.15, 0, 1)[..., np.newaxis]
        across, down = (x + 0.7) / 1.4, (y + 0.7) / 1.4
        hue = np.stack([0.98 - 0.9 * across, 0.2 + 0.6 * across, 0.4 + 0.55 * down], -1)
        return np.clip(hue * (0.5 + 0.8 * light) + 0.5 * light**6, 0, 1)

    cell = 0.125
    block_x, block_y = ((np.floor(v / cell) + 0.5) * cell for v in (x, y))
    disc = smoothstep(np.hypot(x, y) - 0.7, 3 / size)
    over(image, shade(x, y), disc * smoothstep(x - 0.02, 0.12))
    inside = rounded_box(x - block_x, y - block_y, 0.055, 0.055, 0.02)
    tile = smoothstep(inside, 4 / size) * (np.hypot(block_x, block_y) < 0.72) * (block_x > 0)
    over(image, np.round(shade(block_x, block_y) * 5) / 5, tile)
    alpha = image[..., 3:]
    straight = image[..., :3] / np.maximum(alpha, 1e-9) * (alpha > 0)
    return Image.fromarray(np.round(np.dstack((straight, alpha)) * 255).astype(np.uint8))


def draw_screen(width: int = 960, height: int = 600) -> Image.Image:
    """A window with a side bar, a chart, a table and text."""
    image = Image.new("RGB", (width, height), "#eceff4")
    draw = ImageDraw.Draw(image)
    font, small, large = (ImageFont.load_default(points) for points in (14, 11, 22))
    for row in range(44):
        shade = 64 - row
        draw.line((0, row, width, row), (shade, shade + 12, shade + 40))
    for number, color in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        draw.ellipse((16 + 22 * number, 15, 29 + 22 * number, 28), color)
    draw.text((width // 2, 22), "Distortion explorer", "white", font, anchor="mm")
    draw.rectangle((0, 44, 180, height), "#2e3440")
    entries = ("Overview", "Codebooks", "Images", "Sounds", "Palettes", "Settings")
    for number, entry in enumerate(entries):
        top = 64 + 38 * number
        if number == 2:
            draw.rectangle((8, top - 8, 172, top + 24), "#4c566a")
        draw.ellipse((20, top + 2, 32, top + 14), ("#88c0d0", "#a3be8c", "#ebcb8b")[number % 3])
        draw.text((44, top), entry, "#eceff4", font)
    draw.text((204, 62), "Rate and distortion", "#2e3440", large)
    draw.rounded_rectangle((204, 100, 936, 340), 8, "white", "#d8dee9")
    for number in range(6):
        level = 124 + 38 * number
        draw.line((244, level, 920, level), "#e5e9f0")
        draw.text((236, level), f"{45 - 5 * number}", "#4c566a", small, anchor="rm")
    rates = np.linspace(0, 1, 136)
    for color, lift in (("#bf616a", 0.0), ("#5e81ac", 28.0), ("#a3be8c", 52.0)):
        curve = 306 - lift - 120 * np.log1p(6 * rates) / np.log(7)
        points = [(244 + 5 * number, float(level)) for number, level in enumerate(curve)]
        draw.line(points, color, 3, joint="curve")
    for number, (name, color) in enumerate(
        (("fixed rate", "#bf616a"), ("entropy coded", "#5e81ac"), ("predictive", "#a3be8c"))
    ):
        draw.rectangle((700, 256 + 22 * number, 714, 270 + 22 * number), color)
        draw.text((722, 255 + 22 * number), name, "#2e3440", font)
    draw.rounded_rectangle((204, 360, 936, 580), 8, "white", "#d8dee9")
    heads = ("codewords", "block", "bits a pixel", "PSNR", "size")
    for row in range(8):
        top = 370 + 25 * row
        if row % 2:
            draw.rectangle((205, top - 3, 935, top + 21), "#f4f6fa")
        cells = heads if row == 0 else (
            f"{1 << (row + 3)}", "4 x 4", f"{(row + 3) / 16:.3f}", f"{24 + 1.4 * row:.2f} dB",
            f"{6.1 + 3.7 * row:.1f} kB")  # fmt: skip
        for column, cell in enumerate(cells):
            draw.text((224 + 142 * column, top), cell, "#2e3440" if row else "#5e81ac", font)
    return image


# --- sounds -------------------------------------------------------------------


def pluck(frequency: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A plucked string: partials that decay the faster the higher they are."""
    t = np.arange(int(seconds * MUSIC_RATE)) / MUSIC_RATE
    tone = np.zeros_like(t)
    for partial in range(1, int(min(24, 16000 / frequency)) + 1):
        stretched = frequency * partial * np.sqrt(1 + 1.5e-4 * partial**2)
        weight = np.sin(np.pi * partial * 0.22) / partial
        decay = np.exp(-t * (1.2 + 0.55 * partial))
        tone += weight * decay * np.sin(2 * np.pi * stretched * t + rng.uniform(0, 6.28))
    return tone * np.minimum(1, t * 400)


def brush(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A brushed cymbal: noise without its low frequencies, dying away."""
    t = np.arange(int(seconds * MUSIC_RATE)) / MUSIC_RATE
    noise = np.diff(rng.standard_normal(len(t) + 2), 2)
    return noise * np.exp(-t * 28)


def add(mix: np.ndarray, at: float, sound: np.ndarray, gain: float, pan: float) -> None:
    """Add a sound at a second, placed from left (-1) to right (1)."""
    start = int(at * MUSIC_RATE)
    sound = sound[: len(mix) - start]
    angle = (pan + 1) * np.pi / 4
    mix[start : start + len(sound)] += gain * sound[:, None] * (np.cos(angle), np.sin(angle))


def play_music(seconds: float = 6.0) -> np.ndarray:
    """Four bars of arpeggios over a bass, with a brush and some room."""
    rng = np.random.default_rng(1)
    mix = np.zeros((int(seconds * MUSIC_RATE), 2))
    beat = seconds / 16
    chords = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67))
    for bar, chord in enumerate(chords):
        for step in range(8):
            at = (4 * bar + step / 2) * beat
            note = chord[(0, 1, 2, 3, 2, 1, 3, 2)[step]] + 12 * (step in (3, 6))
            tone = pluck(440 * 2 ** ((note - 69) / 12), 1.6, rng)
            add(mix, at, tone, 0.16 + 0.04 * (step % 4 == 0), 0.7 * np.sin(1.3 * step + bar))
            if step % 2:
                add(mix, at, brush(0.2, rng), 0.02, 0.4)
        bass = pluck(440 * 2 ** ((chord[0] - 24 - 69) / 12), 1.4, rng)
        add(mix, 4 * bar * beat, bass, 0.45, 0.0)
    room = mix.copy()
    for delay, gain in ((0.031, 0.30), (0.047, 0.24), (0.083, 0.17), (0.127, 0.11)):
        frames = int(delay * MUSIC_RATE)
        room[frames:] += gain * mix[:-frames, ::-1]
    end = int(0.15 * MUSIC_RATE)
    room[-end:] *= np.linspace(1, 0, end)[:, None]
    return 0.8 * room / abs(room).max()


# Seconds, then frequencies of three formants (Hz); a hiss names its band instead.
SYLLABLES = (
    ("hiss", 0.12, (4200, 7600)), ("vowel", 0.34, (730, 1090, 2440)),
    ("vowel", 0.24, (270, 2290, 3010)), ("pause", 0.06, ()), ("hiss", 0.03, (1500, 6000)),
    ("vowel", 0.36, (570, 840, 2410)), ("vowel", 0.22, (530, 1840, 2480)),
    ("hiss", 0.14, (2300, 5600)), ("vowel", 0.42, (300, 870, 2240)), ("pause", 0.14, ()),
    ("vowel", 0.30, (660, 1720, 2410)), ("hiss", 0.10, (4200, 7600)),
    ("vowel", 0.50, (730, 1090, 2440)), ("pause", 0.10, ()),
)  # fmt: skip


def speak() -> np.ndarray:
    """Voiced syllables from harmonics under moving formants, and hisses of filtered noise."""
    rng = np.random.default_rng(2)
    total = int(sum(length for _, length, _ in SYLLABLES) * VOICE_RATE)
    voiced, hissing = np.zeros(total), np.zeros(total)
    formants = np.zeros((total, 3))
    noise = np.fft.rfft(rng.standard_normal(total))
    frequencies = np.fft.rfftfreq(total, 1 / VOICE_RATE)
    start, target = 0, np.array([500.0, 1500, 2500])
    for kind, length, numbers in SYLLABLES:
        stop = min(total, start + int(length * VOICE_RATE))
        if kind == "vowel":
            voiced[start:stop], target = 1, np.array(numbers, float)
        elif kind == "hiss":
            low, high = numbers
            band = np.exp(-(((frequencies - (low + high) / 2) / (0.5 * (high - low))) ** 4))
            burst = np.fft.irfft(noise * band, total)[start:stop]
            hissing[start:stop] += 0.11 * burst * np.hanning(stop - start) / burst.std()
        formants[start:stop] = target
        start = stop
    glide = np.hanning(int(0.07 * VOICE_RATE))
    glide /= glide.sum()
    formants = np.stack([np.convolve(np.pad(f, 600, "edge"), glide, "same")[600:-600]
                         for f in formants.T])  # fmt: skip
    voiced = np.convolve(voiced, glide, "same")
    t = np.arange(total) / VOICE_RATE
    drift = np.convolve(rng.standard_normal(total), np.hanning(1200) / 600, "same")
    pitch = 118 * (1.12 - 0.09 * t) * (1 + 0.05 * np.sin(2 * np.pi * 1.3 * t) + 0.03 * drift)
    phase = 2 * np.pi * np.cumsum(pitch) / VOICE_RATE
    voice = np.zeros(total)
    for harmonic in range(1, 64):
        frequency = harmonic * pitch
        gain = np.where(frequency < 7200, 1.0, 0.0) / harmonic
        for formant, width in zip(formants, (70, 100, 140), strict=True):
            ratio = frequency / formant
            gain = gain / np.hypot(1 - ratio**2, ratio * width / formant)
        gain = gain * (1 + (frequency / 2600) ** 2) ** 1.4  # for the formants above the third
        voice += gain * harmonic**0.6 * np.sin(harmonic * phase + 0.3 * harmonic)
    breath = 1 + 0.04 * rng.standard_normal(total)
    voice = voice * voiced * breath
    mixed = 0.8 * voice / abs(voice).max() + hissing + 2e-4 * rng.standard_normal(total)
    return 0.8 * mixed / abs(mixed).max()


def write_sound(name: str, samples: np.ndarray, rate: int) -> None:
    """Write a FLAC file of 16 bits."""
    soundfile.write(HERE / name, np.round(samples * 32767).astype(np.int16), rate, "PCM_16")


if __name__ == "__main__":
    draw_logo().save(HERE / "logo.png", optimize=True)
    draw_screen().save(HERE / "screen.png", optimize=True)
    write_sound("music.flac", play_music(), MUSIC_RATE)
    write_sound("voice.flac", speak(), VOICE_RATE)
