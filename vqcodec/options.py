"""From keyword arguments to the options value of a codec."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from vqcodec.errors import ParameterError


def make_options(kind: str, options: dict[str, Any]) -> Any:
    """Make the options value of a codec; it checks itself."""
    Options = importlib.import_module(f"vqcodec.{kind}.options").Options
    known = {field.name for field in dataclasses.fields(Options)}
    for name in options:
        if name not in known:
            raise ParameterError(f"the {kind} codec has no option {name!r}")
    return Options(**options)
