"""Cover art: the picture that FLAC and ID3 (MP3, WAV, AIFF) keep inside a sound file.

libsndfile does not give it, so this finds it: FLAC's PICTURE block, and the
APIC frame (PIC before version 2.3) of ID3v2. The cover inside Ogg files is
not looked for.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from vqcodec.errors import ParameterError

MOST = 1 << 24  # bytes: what a FLAC block can hold
_FRONT = 3  # the type of a picture that is the front cover
_BLOCK = 1 << 20


def mime_of(picture: bytes) -> str | None:
    """Return the media type of an image file, if it is one that covers are made of."""
    if picture[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if picture[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    return "image/gif" if picture[:4] == b"GIF8" else None


def require_picture(picture: bytes) -> bytes:
    """Return the bytes, or raise `ParameterError` if they are no picture for a cover."""
    if mime_of(picture) is None:
        raise ParameterError("a cover is a JPEG, PNG, WebP or GIF file")
    if len(picture) >= MOST - 256:
        raise ParameterError("a cover has at most 16 MB")
    return picture


def find_cover(file: BinaryIO) -> bytes | None:
    """Return the front cover, else any picture, of a seekable sound file.

    Damaged tags are passed over; the position in the file is lost.
    """
    file.seek(0)
    head = file.read(12)
    try:
        if head[:4] == b"fLaC":
            found = _in_flac(file)
        elif head[:3] == b"ID3":
            found = _in_id3(_id3_at(file, 0))
        elif head[:4] == b"RIFF" or head[:4] == b"FORM":
            found = _in_chunks(file, "<" if head[:4] == b"RIFF" else ">")
        else:
            found = []
    except (IndexError, ValueError, struct.error):
        return None
    usable = [item for item in found if mime_of(item[1]) and len(item[1]) < MOST - 256]
    return min(usable, key=lambda item: item[0] != _FRONT)[1] if usable else None


def _in_flac(file: BinaryIO) -> list[tuple[int, bytes]]:
    found = []
    file.seek(4)
    while len(head := file.read(4)) == 4:
        size = int.from_bytes(head[1:], "big")
        if head[0] & 127 == 6:
            block = file.read(size)
            kind, length = struct.unpack_from(">II", block)
            place = 8 + length
            place += 4 + struct.unpack_from(">I", block, place)[0] + 16
            length = struct.unpack_from(">I", block, place)[0]
            found.append((kind, block[place + 4 : place + 4 + length]))
        else:
            file.seek(size, os.SEEK_CUR)
        if head[0] & 128:
            break
    return found


def _in_chunks(file: BinaryIO, order: str) -> list[tuple[int, bytes]]:
    """Look for the ID3 chunk of a WAV or AIFF file."""
    place, size = 12, file.seek(0, os.SEEK_END)
    while place + 8 <= size:
        file.seek(place)
        label, length = struct.unpack(order + "4sI", file.read(8))
        if label in (b"id3 ", b"ID3 "):
            return _in_id3(_id3_at(file, place + 8))
        place += 8 + length + length % 2
    return []


def _id3_at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    head = file.read(10)
    return head + file.read(_synchsafe(head[6:10])) if head[:3] == b"ID3" else b""


def _synchsafe(data: bytes) -> int:
    return sum((byte & 127) << 7 * (3 - index) for index, byte in enumerate(data))


def _in_id3(tag: bytes) -> list[tuple[int, bytes]]:
    """Return type and content of the pictures of an ID3v2 tag."""
    if len(tag) < 10:
        return []
    version, flags = tag[3], tag[5]
    body = tag[10:]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\x00", b"\xff")
    place = 0
    if flags & 0x40 and version >= 3:
        length = body[:4]
        place = _synchsafe(length) if version == 4 else int.from_bytes(length, "big") + 4
    named, sized = (3, 3) if version == 2 else (4, 4)
    found = []
    while place + named + sized <= len(body) and body[place]:
        label = body[place : place + named]
        length = body[place + named : place + named + sized]
        size = _synchsafe(length) if version == 4 else int.from_bytes(length, "big")
        begin = place + named + sized + (2 if version > 2 else 0)
        if label in (b"APIC", b"PIC") and size:
            content = body[begin : begin + size]
            if version == 4:
                format_flags = body[begin - 1]
                content = content[4:] if format_flags & 1 else content
                content = content.replace(b"\xff\x00", b"\xff") if format_flags & 2 else content
            found.append(_picture(content, version))
        place = begin + size
    return found


def _picture(content: bytes, version: int) -> tuple[int, bytes]:
    """Take encoding, media type, kind and description off a picture frame."""
    wide = content[0] in (1, 2)
    place = 4 if version == 2 else content.index(0, 1) + 1
    kind = content[place]
    place += 1
    if not wide:
        return kind, content[content.index(0, place) + 1 :]
    while content[place : place + 2] != b"\0\0":
        place += 2
        if place >= len(content):
            raise ValueError
    return kind, content[place + 2 :]


def add_to_flac(file: BinaryIO, picture: bytes) -> None:
    """Put the front cover into a FLAC file, open for reading and writing, in place."""
    mime = (mime_of(picture) or "").encode()
    block = struct.pack(">II", _FRONT, len(mime)) + mime
    block += struct.pack(">IIIIII", 0, 0, 0, 0, 0, len(picture)) + picture
    file.seek(0)
    head = file.read(8)
    first = 8 + int.from_bytes(head[5:8], "big")  # behind STREAMINFO
    last = head[4] & 128
    inserted = bytes([6 | last]) + len(block).to_bytes(3, "big") + block
    end = file.seek(0, os.SEEK_END)
    while end > first:  # from behind, so that nothing is overwritten before it has moved
        begin = max(first, end - _BLOCK)
        file.seek(begin)
        part = file.read(end - begin)
        file.seek(begin + len(inserted))
        file.write(part)
        end = begin
    file.seek(4)
    file.write(bytes([head[4] & 127]))
    file.seek(first)
    file.write(inserted)
    file.seek(0, os.SEEK_END)
