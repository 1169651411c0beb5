"""The .vqa file: a sound in segments, on top of the container.

    'H'   for kind AUDIO one byte that names the codec, then what that codec wants
    'R'   the identity of the external codebook, if there is one (16 bytes)
    'B'   the embedded codebook, a whole .vqcb file (kind FRAMES without 'R')
    't' 'a'   tags and cover art (see `metadata`)
    'S'   a segment: its number, from 0 on, then the codec's bytes
    'F'   the exact number of frames (sampling instants) of the sound
    'E'   the check: for codecs whose decoders agree to the last bit, the CRC-32 of
          the samples (16 bits, little-endian, channels interleaved); else 0

Numbers are LEB128. Nothing needs to be known beforehand, so the file is
written as the sound comes in, through a pipe too; what is there when the
writer dies can be salvaged. Segments number themselves, so what is left of a
damaged file falls into its place.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import numpy as np

from vqcodec import container
from vqcodec.codebook import IDENTITY_BYTES, Codebook
from vqcodec.container import (
    DEFAULT_LIMITS,
    ByteReader,
    Chunk,
    Container,
    Kind,
    Limits,
    pack_varint,
)
from vqcodec.errors import (
    CodebookError,
    FormatError,
    LimitError,
    MediaError,
    MissingCodebookError,
    ParameterError,
)
from vqcodec.metadata import Metadata, to_chunks

KNOWN_CHUNKS = "RBSF"
MOST_RATE = 768_000
_MODULES = {
    "frames": (Kind.FRAMES, b"", "vqcodec.frames.codec"),
    "audio": (Kind.AUDIO, b"\x00", "vqcodec.audio.codec"),
    "speech": (Kind.AUDIO, b"\x01", "vqcodec.audio.speech.codec"),
}


Book = Codebook | Callable[[bytes], Codebook] | None


class Encoder(Protocol):
    """What turns samples into segments: `frames.codec`, `audio.codec`, `audio.speech.codec`."""

    header: bytes
    frames: int

    def write(self, samples: np.ndarray) -> list[bytes]: ...

    def finish(self) -> list[bytes]: ...


class Decoder(Protocol):
    """What turns a segment, and the one before it, into samples."""

    rate: int
    channels: int
    segment_frames: int

    def decode(self, segment: bytes, previous: bytes | None) -> np.ndarray: ...


# --- forward ------------------------------------------------------------------


class Writer:
    """Writes a sound into a binary file as it comes in; the file need not be seekable.

    Use it as a context manager, or call `close`; without either the file
    lacks its end.

    Parameters
    ----------
    file : binary file
    codec : {'frames', 'audio', 'speech'}
    encoder : Encoder
    codebook : Codebook, optional
        The external codebook, or with `embed` the one to embed.
    embed : bool
    metadata : Metadata, optional

    Attributes
    ----------
    bytes : int
        Bytes written so far.
    frames : int
        Sampling instants taken in so far.
    peak : float
        The largest magnitude of a sample; what is beyond 1 has been clipped.

    Raises
    ------
    ParameterError
        Samples hold NaN or infinity, or are not (n, channels).
    MediaError
        No sample has been written at all.
    """

    def __init__(
        self,
        file: BinaryIO,
        codec: str,
        encoder: Encoder,
        channels: int,
        codebook: Codebook | None = None,
        embed: bool = False,
        metadata: Metadata | None = None,
    ) -> None:
        self.file = file
        self.encoder = encoder
        self.channels = channels
        self.bytes = 0
        self.frames = 0
        self.peak = 0.0
        self._number = 0
        kind, mode, _ = _MODULES[codec]
        chunks = []
        if codebook is not None:
            payload = codebook.to_bytes() if embed else codebook.identity
            chunks.append(Chunk("B" if embed else "R", payload))
        chunks += to_chunks(metadata or Metadata())
        self._head = container.begin(kind, mode + encoder.header)
        self._head += b"".join(map(container.pack_chunk, chunks))

    def write(self, samples: np.ndarray) -> None:
        """Take in samples (n, channels), float32 with full scale 1.0."""
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ParameterError(f"samples of shape (n, {self.channels}) are needed")
        if not len(samples):
            return
        low, high = float(samples.min()), float(samples.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ParameterError("the samples of the sound hold NaN or infinity")
        self.peak = max(self.peak, -low, high)
        if max(-low, high) > 1.0:
            samples = np.clip(samples, -1.0, 1.0)
        self.frames += len(samples)
        self._segments(self.encoder.write(samples))

    def close(self) -> None:
        """Write the rest, the length and the end."""
        if not self.frames:
            raise MediaError("the sound holds no samples")
        self._segments(self.encoder.finish())
        tail = container.pack_chunk(Chunk("F", pack_varint(self.frames)))
        self._put(tail + container.end(getattr(self.encoder, "check", None)))

    def _segments(self, segments: list[bytes]) -> None:
        for segment in segments:
            payload = pack_varint(self._number) + segment
            self._put(container.pack_chunk(Chunk("S", payload)))
            self._number += 1

    def _put(self, data: bytes) -> None:
        data, self._head = self._head + data, b""
        self.file.write(data)
        self.file.flush()  # a segment that is finished survives the death of this process
        self.bytes += len(data)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()


def codec_module(codec: str) -> Any:
    """Return the module of a codec, which holds its Encoder and Decoder."""
    return importlib.import_module(_MODULES[codec][2])


# --- inverse ------------------------------------------------------------------


def codec_of(kind: Kind, header: bytes) -> tuple[str, bytes]:
    """Return the codec's name and its own part of the header."""
    for name, (own, mode, _) in _MODULES.items():
        if own is kind and header[: len(mode)] == mode:
            return name, header[len(mode) :]
    if kind is Kind.AUDIO:
        raise FormatError("the sound is coded in a way that this version does not know")
    raise FormatError(f"this {kind.name.lower()} file holds no sound")


def make_decoder(
    kind: Kind, header: bytes, chunks: dict[str, bytes], codebook: Book, limits: Limits
) -> Decoder:
    """Return the decoder of a file.

    Parameters
    ----------
    kind, header
        As the container gives them.
    chunks : dict of str to bytes
        The payloads of 'R' and 'B', where they are there.
    codebook : Codebook or callable, optional
        The external codebook, or what finds it by its identity.
    """
    name, own = codec_of(kind, header)
    identity = identity_in(chunks)
    if identity is not None:
        if codebook is not None and not isinstance(codebook, Codebook):
            codebook = codebook(identity)
        if codebook is None:
            raise MissingCodebookError(
                f"the file was coded with the external codebook {identity.hex()}; "
                "name it with --codebook"
            )
        if codebook.identity != identity:
            raise CodebookError(
                f"the file was coded with the codebook {identity.hex()}, not with {codebook.name}"
            )
    else:
        codebook = Codebook.from_bytes(chunks["B"], limits) if "B" in chunks else None
        if codebook is None and kind is Kind.FRAMES:
            raise FormatError("the file neither holds nor names its codebook")
    decoder: Decoder = codec_module(name).Decoder(own, codebook)
    if not (0 < decoder.rate <= MOST_RATE and decoder.channels > 0 and decoder.segment_frames > 0):
        raise FormatError("the header of the sound states an impossible rate")
    return decoder


def identity_in(chunks: dict[str, bytes]) -> bytes | None:
    """Return the identity that chunk 'R' holds, if it is there."""
    identity = chunks.get("R")
    if identity is not None and len(identity) != IDENTITY_BYTES:
        raise FormatError("the reference to an external codebook has a wrong length")
    return identity


def wanted_codebook(opened: Container) -> bytes | None:
    """Return the identity of the external codebook that a file needs, or None."""
    return identity_in(book_chunks(opened))


def book_chunks(opened: Container) -> dict[str, bytes]:
    """Return the payloads of 'R' and 'B'."""
    return {type: opened.one(type) for type in "RB" if opened.has(type)}


def segment_number(payload: bytes) -> tuple[int, bytes]:
    """Return number and contents of a segment."""
    reader = ByteReader(payload, "segment")
    number = reader.varint()
    return number, reader.rest()


def total_frames(payload: bytes, channels: int, limits: Limits) -> int:
    """Return the exact length that chunk 'F' states."""
    reader = ByteReader(payload, "length of the sound")
    frames = reader.varint()
    reader.finish()
    if frames == 0:
        raise FormatError("the sound claims to hold no samples")
    if frames * channels > limits.samples:
        raise LimitError(
            f"the sound has {frames * channels} samples, more than the limit of {limits.samples}"
        )
    return frames


def check_of(samples: np.ndarray, start: int) -> int:
    """Continue the check by decoded samples, (n, channels) float32."""
    exact = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype("<i2")
    return container.sample_check(exact.tobytes(), start=start)


def describe(opened: Container, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return what a sound file says of itself; nothing is decoded."""
    name, own = codec_of(opened.kind, opened.header)
    values = dict(_described(name)(own))
    frames = total_frames(opened.one("F"), values["channels"], limits)
    identity = wanted_codebook(opened)
    sizes = [entry.length for entry in opened.entries if entry.type == "S"]
    seconds = frames / values["rate"]
    return {
        "codec": name,
        "frames": frames,
        "seconds": seconds,
        **values,
        "segments": len(sizes),
        "kbps": opened.size * 8 / seconds / 1000,
        "codebook": identity.hex() if identity else "embedded" if opened.has("B") else "shipped",
    }


def _described(name: str) -> Callable[[bytes], dict[str, Any]]:
    """Return what reads a codec's header without loading a kernel."""
    if name == "frames":
        from vqcodec.frames.codec import describe as describe_frames

        return describe_frames
    from vqcodec.audio import header

    return header.describe if name == "audio" else header.describe_speech
