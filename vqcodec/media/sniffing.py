"""What a file is, from its first bytes."""

from __future__ import annotations

from vqcodec.container import Kind, looks_like

_LEADS = (b"fLaC", b"OggS", b"caff", b".snd", b"ID3")


def is_sound(head: bytes) -> bool:
    """Return whether these bytes, at least 12, begin an ordinary sound file."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return True
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return True
    return head.startswith(_LEADS) or _is_mpeg(head)


def _is_mpeg(head: bytes) -> bool:
    """Tell an MP3 without tags: eleven set bits, then fields that have illegal values."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] >> 3 & 3 != 1  # version
        and head[1] >> 1 & 3 != 0  # layer
        and head[2] >> 4 not in (0, 15)  # bit rate
        and head[2] >> 2 & 3 != 3  # sampling rate
    )


def is_coded_sound(head: bytes) -> bool:
    """Return whether these bytes, at least 8, begin a .vqa file."""
    if not looks_like(head) or head[3:4] != b"H":
        return False
    place = 4
    while place < len(head) - 1 and head[place] & 0x80:
        place += 1
    return head[place + 1 : place + 2] != b"" and head[place + 1] & 15 in (Kind.AUDIO, Kind.FRAMES)
