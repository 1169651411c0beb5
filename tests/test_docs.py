"""The documentation builds, its examples run, and its reference names every option."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vqcodec.cli import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(path.stem for path in DOCS.glob("howto-*.md")), "tutorial"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the samples, in which the examples are at home."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(line: str) -> None:
    """Run one line of an example: vqcodec itself, and the few tools that prepare its input."""
    words = shlex.split(line)
    if words[0] == "mkdir":
        Path(words[-1]).mkdir(parents=True, exist_ok=True)
    elif words[0] == "cp":
        for source in words[1:-1]:
            shutil.copy(source, words[-1])
    else:
        assert words[0] == "vqcodec", line
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("folder")
def test_the_examples_run(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```", text, re.M | re.S)
    assert blocks
    names: dict[str, Any] = {}
    for language, block in blocks:
        if language == "python":
            exec(compile(block, page, "exec"), names)
        else:
            for line in block.splitlines():
                shell(line)


def test_the_table_of_the_tutorial_is_what_the_code_gives(folder: Path) -> None:
    import numpy as np
    import PIL.Image

    from vqcodec import metrics
    from vqcodec.cluster import fit_kmeans

    text = (DOCS / "tutorial.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.M)
    assert len(rows) == 4
    pixels = np.asarray(PIL.Image.open(folder / "samples" / "astronaut.png").convert("L"))
    blocks = pixels.reshape(128, 4, 128, 4).swapaxes(1, 2).reshape(-1, 16)
    for size, rate, psnr in rows[:3]:
        fit = fit_kmeans(blocks, int(size), seed=0)
        codebook = fit.centers.round().astype(np.uint8)
        again = codebook[fit.labels].reshape(128, 128, 4, 4).swapaxes(1, 2).reshape(512, 512)
        assert float(rate) == pytest.approx(np.log2(int(size)) / 16, abs=1e-3)
        assert float(psnr) == pytest.approx(metrics.psnr(pixels, again), abs=0.02)


def test_every_picture_and_page_that_is_named_is_there() -> None:
    for page in DOCS.rglob("*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not target.startswith(("http", "<")):
                assert (page.parent / target).exists(), f"{page.name} names {target}"


def test_the_reference_names_every_command_and_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    commandline = pytest.importorskip("commandline", reason="sphinx is not installed")
    commands = commandline.commands()
    assert {"encode", "decode", "train", "palette", "compare", "report", "info"} <= set(commands)
    for name, command in commands.items():
        assert commandline.usage(name, command).startswith(f"vqcodec {name} ")
        written = " ".join(how for how, _ in commandline.records(command))
        for parameter in command.params:
            longest = max(parameter.opts, key=len)
            if longest.startswith("--"):
                assert longest in written


@pytest.mark.parametrize("builder", ["html", "doctest"])
def test_the_pages_build_without_a_warning(builder: str, tmp_path: Path) -> None:
    for name in ("sphinx", "myst_parser", "numpydoc"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder]
    folders = [str(DOCS), str(tmp_path / builder), "-d", str(tmp_path / "trees")]
    result = subprocess.run([*command, *folders], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    if builder == "html":
        page = (tmp_path / "html" / "commands.html").read_text("utf-8")
        assert "--skip-larger" in page
        assert "vqcodec warmup" in page
    else:
        text = (tmp_path / "doctest" / "output.txt").read_text("utf-8")
        found = re.search(r"(\d+) tests\n", text)
        assert found is not None
        assert int(found[1]) > 20
