"""The codebook and its file (.vqcb): everything a decoder must know beforehand.

A codebook is a kind, a small JSON configuration (transform, vector shape and
whatever else the kind wants), named integer arrays (codewords, transform
matrices, probability tables), and a word on where it comes from. Its identity
is a hash of all but the last, so the same codebook has the same name wherever
it was made, and a file coded with it can name it in 16 bytes.

The file is a container of kind CODEBOOK: header ``{"kind", "config"}`` as
JSON, one chunk ``A`` for each array (name, dtype, shape, zlib data), one
ancillary chunk ``p`` with the provenance.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqcodec import container
from vqcodec.container import DEFAULT_LIMITS, ByteReader, Chunk, Kind, Limits, pack_varint
from vqcodec.errors import (
    ChecksumError,
    CodebookError,
    FormatError,
    LimitError,
    MissingCodebookError,
)
from vqcodec.metadata import inflate

KINDS = ("patch", "photo", "audio", "speech", "frames", "palette")
IDENTITY_BYTES = 16
SEARCH_PATH_VARIABLE = "VQCODEC_CODEBOOKS"
_DTYPES = ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<i8")


@dataclass(frozen=True)
class Codebook:
    """Codewords and tables of one kind of codec.

    Attributes
    ----------
    kind : str
        ``patch``, ``photo``, ``audio``, ``speech``, ``frames`` or ``palette``.
    config : mapping
        JSON values; every kind states at least ``transform`` and ``shape``
        (the vector shape).
    arrays : mapping of str to ndarray
        Integer arrays by name, such as ``codewords``.
    provenance : str
        What it was trained on, by which command, under which licence.
    """

    kind: str
    config: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    provenance: str = ""
    identity: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise CodebookError(f"unknown kind of codebook: {self.kind!r}")
        arrays = {name: _canonical(name, array) for name, array in sorted(self.arrays.items())}
        object.__setattr__(self, "arrays", arrays)
        digest = hashlib.sha256(_header(self))
        for name, array in arrays.items():
            digest.update(_array_head(name, array) + array.tobytes())
        object.__setattr__(self, "identity", digest.digest()[:IDENTITY_BYTES])

    @property
    def name(self) -> str:
        """The identity in hexadecimal."""
        return self.identity.hex()

    def require(self, kind: str) -> Codebook:
        """Return self, or raise `CodebookError` if it is of another kind."""
        if self.kind != kind:
            raise CodebookError(f"a codebook of kind {kind!r} is needed, this one is {self.kind!r}")
        return self

    def array(self, name: str) -> np.ndarray:
        """Return an array by name; its absence is a `FormatError`."""
        try:
            return self.arrays[name]
        except KeyError:
            raise FormatError(f"the codebook lacks its array {name!r}") from None

    # --- the file ---

    def to_bytes(self) -> bytes:
        """Return the .vqcb file."""
        chunks = [
            Chunk("A", _array_head(name, array) + zlib.compress(array.tobytes(), 9))
            for name, array in self.arrays.items()
        ]
        if self.provenance:
            chunks.append(Chunk("p", zlib.compress(self.provenance.encode(), 9)))
        return container.pack(Kind.CODEBOOK, _header(self), chunks, self._check())

    @classmethod
    def from_bytes(cls, data: bytes, limits: Limits = DEFAULT_LIMITS) -> Codebook:
        """Read a .vqcb file from memory; see `load` for the errors."""
        return cls._from_container(container.open_container(data, limits), limits)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the .vqcb file; the target appears whole or not at all."""
        from vqcodec.files import write_atomically

        write_atomically(path, self.to_bytes())

    @classmethod
    def load(
        cls, source: str | os.PathLike[str] | BinaryIO, limits: Limits = DEFAULT_LIMITS
    ) -> Codebook:
        """Read a .vqcb file.

        Raises
        ------
        FormatError
            The file is damaged, truncated, or no codebook.
        CodebookError
            The file cannot be opened, or holds an unknown kind.
        """
        if not isinstance(source, str | os.PathLike):
            return cls.from_bytes(source.read(), limits)
        try:
            return cls.from_bytes(Path(source).read_bytes(), limits)
        except OSError as error:
            raise CodebookError(f"cannot read codebook {source}: {error.strerror}") from None

    @classmethod
    def _from_container(cls, opened: container.Container, limits: Limits) -> Codebook:
        if opened.kind is not Kind.CODEBOOK:
            raise CodebookError(f"this is a coded {opened.kind.name.lower()} file, not a codebook")
        opened.refuse_unknown("A")
        try:
            header = json.loads(opened.header)
            kind, config = header["kind"], header["config"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise FormatError("the header of the codebook is not the JSON it should be") from None
        if not isinstance(kind, str) or not isinstance(config, dict):
            raise FormatError("the header of the codebook is not the JSON it should be")
        arrays: dict[str, np.ndarray] = {}
        left = limits.codebook
        for payload in opened.all("A"):
            name, array = _parse_array(payload, left)
            left -= array.nbytes
            if name in arrays:
                raise FormatError(f"the codebook holds array {name!r} twice")
            arrays[name] = array
        provenance = b"".join(inflate(p, limits.metadata) for p in opened.all("p")[:1])
        book = cls(kind, config, arrays, provenance.decode("utf-8", "replace"))
        if opened.check != book._check():
            raise ChecksumError("the codebook does not match its checksum: damaged file")
        return book

    def _check(self) -> int:
        return container.sample_check(self.identity)


def find_codebook(
    identity: bytes, folders: list[Path], limits: Limits = DEFAULT_LIMITS
) -> Codebook:
    """Look a codebook up by its identity.

    Every ``*.vqcb`` in `folders` and in the folders of the environment
    variable ``VQCODEC_CODEBOOKS`` is considered, in that order.

    Raises
    ------
    MissingCodebookError
        Says which hash was wanted and where it was looked for.
    """
    variable = os.environ.get(SEARCH_PATH_VARIABLE, "")
    searched = [*folders, *(Path(folder) for folder in variable.split(os.pathsep) if folder)]
    for folder in searched:
        for path in sorted(folder.glob("*.vqcb")):
            try:
                found = Codebook.load(path, limits)
            except (FormatError, CodebookError):
                continue
            if found.identity == identity:
                return found
    places = ", ".join(str(folder) for folder in searched) or "nowhere"
    raise MissingCodebookError(
        f"the file was coded with the external codebook {identity.hex()}, which is not among "
        f"the .vqcb files of: {places}; name it with --codebook"
    )


def _canonical(name: str, array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    if array.dtype.kind not in "iu":
        raise CodebookError(f"array {name!r} of a codebook must hold integers, not {array.dtype}")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype.str.lstrip("|") not in _DTYPES:
        raise CodebookError(f"array {name!r} of a codebook has the unsupported dtype {array.dtype}")
    return array


def _header(book: Codebook) -> bytes:
    value = {"kind": book.kind, "config": dict(book.config)}
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _array_head(name: str, array: np.ndarray) -> bytes:
    raw = name.encode()
    code = _DTYPES.index(array.dtype.str.lstrip("|"))
    shape = b"".join(pack_varint(length) for length in array.shape)
    return pack_varint(len(raw)) + raw + bytes([code, array.ndim]) + shape


def _parse_array(payload: bytes, limit: int) -> tuple[str, np.ndarray]:
    reader = ByteReader(payload, "codebook array")
    raw = reader.take(reader.varint(255))
    code, rank = reader.byte(), reader.byte()
    if code >= len(_DTYPES) or rank > 8:
        raise FormatError("an array of the codebook has an unknown type")
    shape = [reader.varint() for _ in range(rank)]
    dtype = np.dtype(_DTYPES[code])
    size = math.prod(shape) * dtype.itemsize
    if size > limit:
        raise LimitError(f"an array of the codebook claims {size} bytes, above the limit")
    data = inflate(reader.rest(), size)
    if len(data) != size:
        raise FormatError("an array of the codebook is shorter than its shape")
    return raw.decode("utf-8", "replace"), np.frombuffer(data, dtype).reshape(shape)
