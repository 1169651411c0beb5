"""The state of a long training, kept on disk so that a killed run can go on.

A checkpoint is an ``.npz`` file of plain arrays beside the file that the
training will write. It carries a key, a hash of what the training was asked
for, and is of use only to a training that was asked for the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vqcodec.errors import CancelledError, CodebookError
from vqcodec.files import write_atomically

_INTERVAL = 10.0  # seconds from one checkpoint to the next
_KEY = "key"


def key_of(*parts: object, sources: Iterable[object] = ()) -> str:
    """Return a hash of the wishes and sources of a training; files count by name, size and date."""
    digest = hashlib.sha256(repr(parts).encode())
    for source in sources:
        if isinstance(source, str | os.PathLike):
            status = os.stat(source)
            source = (os.fspath(source), status.st_size, status.st_mtime_ns)
        elif isinstance(source, bytes):
            source = hashlib.sha256(source).hexdigest()
        else:
            source = type(source).__name__
        digest.update(repr(source).encode())
    return digest.hexdigest()


class Checkpoint:
    """The checkpoint of one training.

    Parameters
    ----------
    path : path, optional
        Its file; without one nothing is kept.
    key : str
        What the training was asked for (`key_of`).
    resume : bool
        Whether an earlier checkpoint is to be taken up; else it is replaced.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, key: str = "", resume: bool = False
    ) -> None:
        self.path = Path(path) if path is not None else None
        self.key = key
        self.resume = resume
        self._saved = time.monotonic()

    def load(self) -> dict[str, np.ndarray]:
        """Return the arrays of the earlier checkpoint; none if there is none to take up.

        Raises
        ------
        CodebookError
            The file is damaged, or belongs to a training of something else.
        """
        if self.path is None or not self.resume or not self.path.exists():
            return {}
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            raise CodebookError(
                f"the checkpoint {self.path} is damaged; train without resuming"
            ) from None
        if str(arrays.pop(_KEY, "")) != self.key:
            raise CodebookError(
                f"the checkpoint {self.path} belongs to a training of other images or with "
                "other options; train without resuming"
            )
        return arrays

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return self.path is not None and time.monotonic() - self._saved >= _INTERVAL

    def save(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the arrays, whole or not at all."""
        if self.path is None:
            return
        file = io.BytesIO()
        values: dict[str, Any] = {_KEY: np.array(self.key), **arrays}
        np.savez(file, **values)
        write_atomically(self.path, file.getvalue())
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Delete the file: the training is done."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()


class CheckpointedRun:
    """How far a training by examples is, and where that is told and kept.

    Parameters
    ----------
    total : int
        Examples that the whole training takes, all passes together.
    progress : callable, optional
        Called with a fraction and a message; returning False cancels.
    checkpoint : Checkpoint
    arrays : dict of str to ndarray
        The model, which the training changes in place.
    """

    def __init__(
        self,
        total: int,
        progress: Callable[[float, str], bool | None] | None,
        checkpoint: Checkpoint,
        arrays: dict[str, np.ndarray],
    ) -> None:
        self.total, self.progress, self.checkpoint = total, progress, checkpoint
        self.arrays = arrays
        self.done = 0

    def tell(self, message: str) -> None:
        """Count an example."""
        self.done += 1
        if self.progress and self.progress(min(1.0, self.done / self.total), message) is False:
            raise CancelledError("training was cancelled")

    def save(self, more: Mapping[str, np.ndarray]) -> None:
        """Keep the model, and `more` that belongs to the stage at hand."""
        model = {"model_" + name: array for name, array in self.arrays.items()}
        self.checkpoint.save({"done": np.array(self.done), **model, **more})
