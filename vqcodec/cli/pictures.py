"""Pictures beside the work: ``--save-error-image`` and ``--save-codebook-image``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcodec.cli import streams
from vqcodec.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np

    from vqcodec.codebook import Codebook
    from vqcodec.container import Limits

ErrorImage = Annotated[
    str | None,
    typer.Option(
        "--save-error-image", metavar="FILE", help="Draw the error of every pixel: dark for none."
    ),
]
CodebookImage = Annotated[
    str | None,
    typer.Option(
        "--save-codebook-image", metavar="FILE",
        help="Draw the codewords, the most used first (patch).",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """Where pictures are to be drawn; nowhere, if a name is None."""

    error: str | None = None
    codebook: str | None = None

    def __bool__(self) -> bool:
        return self.error is not None or self.codebook is not None

    def refuse_existing(self, force: bool) -> None:
        for name in (self.error, self.codebook):
            if name is not None:
                streams.refuse_existing(name, force)

    def draw(self, original: Any, coded: Any, codebook: Codebook | None, limits: Limits) -> None:
        """Draw what is wanted of an original and a coded file.

        Raises
        ------
        VQError
            As `vqcodec.compare`; `ParameterError` if the file has no codebook to draw.
        """
        from vqcodec import api
        from vqcodec.report import pictures

        if self.error is not None:
            first = api.load_any(original, codebook, limits).upright()
            second = api.load_any(coded, codebook, limits).upright()
            _save(pictures.error_map(first, second).samples(), self.error)
        if self.codebook is not None:
            _save(pictures.codebook_image(_planes(coded, codebook, limits)), self.codebook)

    def draw_training(self, codebook: Codebook, history: list[list[float]]) -> None:
        """Draw how a training went and the codebook that it made, if that is wanted."""
        if self.codebook is not None:
            from vqcodec.report import pictures
            from vqcodec.report.subject import codebook_planes

            planes = codebook_planes(codebook)
            named = {plane.name: steps for plane, steps in zip(planes, history, strict=True)}
            _save(pictures.training_image(planes, named), self.codebook)


def _planes(coded: Any, codebook: Codebook | None, limits: Limits) -> Any:
    from vqcodec import api
    from vqcodec.container import Kind
    from vqcodec.report.subject import patch_planes

    if api.is_coded_source(coded):
        with api.opened(coded, limits) as container:
            if container.kind is Kind.PATCH:
                book = api.codebook_for(container, coded, codebook, (), limits)
                return patch_planes(container, book)
    raise ParameterError("only files of kind patch have codewords that are pictures")


def _save(samples: np.ndarray, target: str) -> None:
    from vqcodec.media import Image, save_image

    picture = Image(samples)
    suffix = Path(target).suffix.lower()
    if suffix in (".jpg", ".jpeg", ".ppm", ".bmp") and picture.has_alpha:
        picture = Image(samples[:, :, :3].copy())
    streams.write_target(target, lambda path: save_image(picture, path), bytes)
