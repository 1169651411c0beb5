"""Where the benchmarks find their pictures and sounds."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def corpus() -> Path:
    """Return the folder of VQCODEC_CORPUS, or ``../shared/corpus`` beside the repository."""
    default = Path(__file__).resolve().parents[3] / "shared" / "corpus"
    folder = Path(os.environ.get("VQCODEC_CORPUS") or default)
    if not ((folder / "kodak").is_dir() and (folder / "photos").is_dir()):
        sys.exit(f"no corpus at {folder}; set VQCODEC_CORPUS to a folder with photos/ and kodak/")
    return folder
