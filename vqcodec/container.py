"""The container of .vqi, .vqa and .vqcb files: magic, typed chunks, CRC-32, limits.

A file is the three bytes ``8F 56 51`` (``\\x8fVQ``; the first is no text in any
encoding, so a mangled transfer shows), then chunks up to and including END::

    chunk   = type (1 byte, an ASCII letter)
              length of the payload (LEB128, at most 5 bytes)
              payload
              CRC-32 of type and payload (4 bytes, little-endian)

    'H'     first: its payload is one byte ``version << 4 | kind``, then what the kind wants
    'E'     last, five bytes in all: the type, and the CRC-32 of the decoded samples
            (4 bytes, little-endian; 0 where it is not stated)

As in PNG, the letter's case tells a decoder what to do with a type it does not
know: upper case is critical (the file cannot be decoded without it), lower
case is ancillary (skipped, or carried along). This module knows bytes only: no
images, no sounds, no codebooks.
"""

from __future__ import annotations

import enum
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from vqcodec.errors import ChecksumError, FormatError, LimitError, TruncatedError

MAGIC = b"\x8fVQ"
VERSION = 1
HEADER = "H"
END = "E"
GAP = "?"  # in the directory of a damaged file: bytes that are no chunk
MOST_CHUNKS = 1 << 20
_MOST_SOUGHT = 1 << 22  # bytes of a chunk that the search in damaged files considers


class Kind(enum.IntEnum):
    """What the file holds: the low nibble of its header's first byte."""

    CODEBOOK = 0
    PATCH = 1
    PHOTO = 2
    PALETTE = 3
    AUDIO = 4
    FRAMES = 5


@dataclass(frozen=True)
class Limits:
    """What a decoder is willing to allocate for a file; raise them for larger work.

    Attributes
    ----------
    pixels : int
        Width times height of an image.
    samples : int
        Frames times channels of a sound.
    codewords : int
        Codewords of one codebook.
    chunk : int
        Bytes of one chunk.
    metadata : int
        Bytes of all metadata together, after decompression.
    codebook : int
        Bytes of all arrays of a codebook together, after decompression.
    """

    pixels: int = 1 << 28
    samples: int = 1 << 33
    codewords: int = 1 << 16
    chunk: int = 1 << 31
    metadata: int = 1 << 24
    codebook: int = 1 << 28


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Chunk:
    """A typed run of bytes; `type` is one ASCII letter."""

    type: str
    payload: bytes

    @property
    def critical(self) -> bool:
        return self.type.isupper()


# --- integers -----------------------------------------------------------------


def pack_varint(value: int) -> bytes:
    """Encode a non-negative integer in LEB128: seven bits a byte, low bits first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class ByteReader:
    """Sequential reading of a payload; running out of bytes is a `TruncatedError`."""

    def __init__(self, data: bytes, name: str = "header") -> None:
        self.data = data
        self.name = name
        self.position = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > len(self.data) - self.position:
            raise TruncatedError(f"the {self.name} ends too early")
        self.position += count
        return self.data[self.position - count : self.position]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self, limit: int = (1 << 35) - 1) -> int:
        """Return the next LEB128 integer, refused above `limit` or when not minimal."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise FormatError(f"the {self.name} holds an overlong integer")
        if shift and byte == 0:
            raise FormatError(f"the {self.name} holds an integer with needless zero bytes")
        if value > limit:
            raise LimitError(f"the {self.name} claims {value}, above the limit of {limit}")
        return value

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.position)

    def finish(self) -> None:
        """Refuse bytes that nothing has asked for."""
        if self.position != len(self.data):
            raise FormatError(f"the {self.name} has {len(self.data) - self.position} stray bytes")


# --- writing ------------------------------------------------------------------


def pack_chunk(chunk: Chunk) -> bytes:
    """Return the bytes of one chunk."""
    if len(chunk.type) != 1 or not (chunk.type.isascii() and chunk.type.isalpha()):
        raise ValueError(f"a chunk type is one ASCII letter, not {chunk.type!r}")
    tag = chunk.type.encode()
    checksum = zlib.crc32(chunk.payload, zlib.crc32(tag))
    return b"".join(
        (tag, pack_varint(len(chunk.payload)), chunk.payload, checksum.to_bytes(4, "little"))
    )


def begin(kind: Kind, header: bytes) -> bytes:
    """Return the first bytes of a file: magic and header chunk."""
    return MAGIC + pack_chunk(Chunk(HEADER, bytes([VERSION << 4 | kind]) + header))


def end(check: int | None = None) -> bytes:
    """Return END, with the check of the decoded samples if there is one."""
    return END.encode() + (check or 0).to_bytes(4, "little")


def pack(kind: Kind, header: bytes, chunks: Iterable[Chunk], check: int | None = None) -> bytes:
    """Return a whole file as bytes."""
    return b"".join((begin(kind, header), *map(pack_chunk, chunks), end(check)))


def sample_check(*parts: bytes | memoryview, start: int = 0) -> int:
    """Return the check of decoded samples, given in order: their CRC-32; `start` goes before."""
    check = start
    for part in parts:
        check = zlib.crc32(part, check)
    return check


# --- reading ------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """Where a chunk lies in a file: its type, and the offset and length of its payload."""

    type: str
    offset: int
    length: int

    def read(self, file: BinaryIO) -> Chunk:
        """Read the payload and verify its checksum."""
        file.seek(self.offset)
        payload = _exactly(file, self.length)
        checksum = int.from_bytes(_exactly(file, 4), "little")
        if zlib.crc32(payload, zlib.crc32(self.type.encode())) != checksum:
            raise ChecksumError(f"the checksum of chunk {self.type!r} does not match: damaged file")
        return Chunk(self.type, payload)

    def read_part(self, file: BinaryIO, start: int, count: int) -> bytes:
        """Read `count` bytes of the payload from `start` on, without verifying the rest."""
        if start < 0 or count < 0 or start + count > self.length:
            raise TruncatedError(f"chunk {self.type!r} is too short")
        file.seek(self.offset + start)
        return _exactly(file, count)


@dataclass(frozen=True)
class Container:
    """An opened file: kind, header and chunk directory over a seekable binary file.

    Payloads are read, and their checksums verified, when they are asked for.
    """

    file: BinaryIO
    kind: Kind
    header: bytes
    entries: tuple[Entry, ...]
    check: int | None

    def all(self, type: str) -> list[bytes]:
        """Return the verified payloads of every chunk of a type, in file order."""
        return [entry.read(self.file).payload for entry in self.entries if entry.type == type]

    def entry(self, type: str) -> Entry:
        """Return the only chunk of a type."""
        found = [entry for entry in self.entries if entry.type == type]
        if len(found) != 1:
            raise FormatError(
                f"the file holds {len(found)} chunks of type {type!r} in place of one"
            )
        return found[0]

    def one(self, type: str) -> bytes:
        """Return the verified payload of the only chunk of a type."""
        return self.entry(type).read(self.file).payload

    def has(self, type: str) -> bool:
        return any(entry.type == type for entry in self.entries)

    def refuse_unknown(self, known: str) -> None:
        """Raise if the file holds a critical chunk whose type is not among `known`."""
        for entry in self.entries:
            if entry.type.isupper() and entry.type not in known:
                raise FormatError(
                    f"the file needs a feature (chunk {entry.type!r}) that this version lacks"
                )

    def verify(self) -> None:
        """Read every chunk and check it; the first damaged one raises `ChecksumError`."""
        for entry in self.entries:
            entry.read(self.file)

    @property
    def size(self) -> int:
        """Length of the whole file in bytes."""
        return self.file.seek(0, io.SEEK_END)


def looks_like(data: bytes) -> bool:
    """Return whether these first bytes of a file are ours."""
    return data[:3] == MAGIC


def open_container(source: bytes | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Read the header and the chunk directory of a file.

    Parameters
    ----------
    source : bytes or seekable binary file
    limits : Limits

    Raises
    ------
    FormatError
        Not a vqcodec file, a newer version, or chunks out of order; its
        subclasses `TruncatedError`, `ChecksumError` and `LimitError` tell
        what they say.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if not magic:
            raise TruncatedError("the file is empty")
        raise FormatError("not a vqcodec file (wrong magic)")
    entries = list(_directory(file, limits))
    if not entries or entries[0].type != HEADER:
        raise FormatError("the file does not begin with its header chunk")
    if entries[0].length > 1 << 16:
        raise LimitError("the header chunk is absurdly long")
    kind, header = split_header(entries[0].read(file).payload)
    check = int.from_bytes(entries[-1].read_part(file, 0, 4), "little")
    return Container(file, kind, header, tuple(entries[1:-1]), check or None)


def split_header(payload: bytes) -> tuple[Kind, bytes]:
    """Return the kind of a file and the kind's own part of its header chunk."""
    if not payload:
        raise TruncatedError("the header is empty")
    version, number = payload[0] >> 4, payload[0] & 15
    if version != VERSION:
        raise FormatError(f"the file has format version {version}; this program reads {VERSION}")
    try:
        return Kind(number), payload[1:]
    except ValueError:
        raise FormatError(f"the file is of unknown kind {number}") from None


# --- streams and damaged files --------------------------------------------------


def read_stream(file: BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Iterator[Chunk]:
    """Yield the verified chunks of a file that cannot be sought in, END included.

    The first one is the header; its first byte tells version and kind, see `split_header`.

    Raises
    ------
    FormatError
        As `open_container`.
    """
    if _exactly(file, len(MAGIC)) != MAGIC:
        raise FormatError("not a vqcodec file (wrong magic)")
    type = ""
    while type != END:
        head = _exactly(file, 1)
        if not (type := head.decode("latin-1")).isascii() or not type.isalpha():
            raise FormatError(f"byte {head[0]:#04x} is no chunk type: damaged file")
        if type == END:
            yield Chunk(END, _exactly(file, 4))
            break
        length = b""
        while not length or (length[-1] >= 0x80 and len(length) < 5):
            length += _exactly(file, 1)
        payload = _exactly(file, ByteReader(length, "chunk length").varint(limits.chunk))
        if zlib.crc32(payload, zlib.crc32(head)) != int.from_bytes(_exactly(file, 4), "little"):
            raise ChecksumError(f"the checksum of chunk {type!r} does not match: damaged file")
        yield Chunk(type, payload)
    if file.read(1):
        raise FormatError("stray bytes follow the END of the file")


def open_damaged(
    source: bytes | BinaryIO, landmarks: str, limits: Limits = DEFAULT_LIMITS
) -> tuple[Container, list[str]]:
    """Open what is left of a damaged or truncated file; magic and header must be there.

    Chunks whose payload is damaged stay in the directory as long as their
    length leads on to a good chunk; reading them raises `ChecksumError`. Where
    the way is lost, the next good chunk of a type in `landmarks` is searched
    for, and an entry of type `GAP` stands for what lies between. Damaged
    ancillary chunks are dropped. There is no check of samples.

    Returns
    -------
    Container
    notes : list of str
        Sentences about what is wrong with the file.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise FormatError("not a vqcodec file (wrong magic)")
    first = _entry_at(file, len(MAGIC), size, limits)
    if first is None or first.type != HEADER or not _intact(file, first):
        raise FormatError("the header of the file is lost: nothing can be salvaged")
    kind, header = split_header(first.read(file).payload)
    entries: list[Entry] = []
    notes: list[str] = []
    position = first.offset + first.length + 4
    while position != size - 5 or _byte_at(file, position) != END:
        entry = _entry_at(file, position, size, limits)
        good = entry is not None and _intact(file, entry)
        if entry is not None and not good:  # is only its payload damaged?
            after = entry.offset + entry.length + 4
            following = _entry_at(file, after, size, limits)
            ends = after == size - 5 and _byte_at(file, after) == END
            leads_on = ends or (following is not None and _intact(file, following))
            entry = entry if leads_on else None
        if entry is None:
            found = _next_intact(file, position + 1, size, landmarks, limits)
            entries.append(Entry(GAP, position, found - position))
            if found == size:
                notes.append("the file is cut off, or its end is damaged")
                break
            notes.append(f"the bytes from {position} to {found} are damaged")
            position = found
            continue
        if good or entry.type.isupper():
            entries.append(entry)
        else:
            notes.append(f"chunk {entry.type!r} (metadata) is damaged and left out")
        position = entry.offset + entry.length + 4
    return Container(file, kind, header, tuple(entries), None), notes


def _byte_at(file: BinaryIO, position: int) -> str:
    file.seek(position)
    return file.read(1).decode("latin-1")


def _entry_at(file: BinaryIO, position: int, size: int, limits: Limits) -> Entry | None:
    """Return the chunk that begins at a position, if one that fits into the file may do so."""
    file.seek(position)
    head = file.read(6)
    if len(head) < 2 or not chr(head[0]).isascii() or not chr(head[0]).isalpha():
        return None
    reader = ByteReader(head[1:], "chunk length")
    try:
        length = reader.varint(limits.chunk)
    except FormatError:
        return None
    offset = position + 1 + reader.position
    return Entry(chr(head[0]), offset, length) if offset + length + 4 <= size else None


def _intact(file: BinaryIO, entry: Entry) -> bool:
    try:
        entry.read(file)
    except FormatError:
        return False
    return True


def _next_intact(file: BinaryIO, position: int, size: int, landmarks: str, limits: Limits) -> int:
    """Return where the next good chunk of a type in `landmarks` begins, or the file's size."""
    letters = landmarks.encode()
    while position < size:
        file.seek(position)
        window = file.read(1 << 16)
        for index, byte in enumerate(window):
            if byte in letters:
                entry = _entry_at(file, position + index, size, limits)
                if entry is not None and entry.length <= _MOST_SOUGHT and _intact(file, entry):
                    return position + index
        position += len(window)
    return size


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise TruncatedError("the file is truncated")
    return data


def _directory(file: BinaryIO, limits: Limits) -> Iterator[Entry]:
    """Walk over the chunks without reading payloads; ends after END."""
    size = file.seek(0, io.SEEK_END)
    position = len(MAGIC)
    seen = 0
    while True:
        file.seek(position)
        head = file.read(6)
        if len(head) < 2:
            raise TruncatedError("the file is truncated: its END is missing")
        type = chr(head[0])
        if not (type.isascii() and type.isalpha()):
            raise FormatError(f"byte {head[0]:#04x} is no chunk type: damaged file")
        if type == END:
            entry = Entry(END, position + 1, 4)
            position += 5
        else:
            reader = ByteReader(head[1:], "chunk length")
            length = reader.varint(limits.chunk)
            entry = Entry(type, position + 1 + reader.position, length)
            position = entry.offset + length + 4
        if position > size:
            raise TruncatedError(f"the file is truncated inside chunk {type!r}")
        seen += 1
        if seen > MOST_CHUNKS:
            raise LimitError("the file has an absurd number of chunks")
        if type == HEADER and seen > 1:
            raise FormatError("the file has a second header")
        yield entry
        if type == END:
            break
    if position != size:
        raise FormatError(f"{size - position} stray bytes follow the END of the file")
