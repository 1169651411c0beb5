"""Progress of long work: a fraction, a message with the time left, and a way to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from vqcodec.errors import CancelledError

ProgressCallback = Callable[[float, str], bool | None]


class Progress:
    """Reports to a callback and raises `CancelledError` once it returns False.

    Parameters
    ----------
    callback : callable or None
        Called as ``callback(fraction, message)`` with a fraction from 0 to 1.
    """

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._started = time.monotonic()

    def report(self, fraction: float, message: str) -> None:
        """Tell the callback how far the work is; the time left is extrapolated linearly."""
        if self._callback is None:
            return
        fraction = min(max(fraction, 0.0), 1.0)
        elapsed = time.monotonic() - self._started
        if 0.0 < fraction < 1.0:
            message = f"{message}, {_duration(elapsed * (1 - fraction) / fraction)} left"
        if self._callback(fraction, message) is False:
            raise CancelledError(f"stopped on request: {message}")

    def part(self, start: float, stop: float) -> ProgressCallback | None:
        """Return a callback that maps its fractions into ``start`` to ``stop`` of this work."""
        if self._callback is None:
            return None
        callback = self._callback
        return lambda fraction, message: callback(start + (stop - start) * fraction, message)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
