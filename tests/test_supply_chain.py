"""No code from files, anywhere: the source of the package is read for what could run it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import vqcodec

PACKAGE = Path(vqcodec.__file__).parent
FORBIDDEN_MODULES = {
    "pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "code",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "input"}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_nothing_runs_code_from_files(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {name.name.split(".")[0] for name in node.names} & FORBIDDEN_MODULES
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.split(".")[0] not in FORBIDDEN_MODULES
        elif isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Name):
                assert name.id not in FORBIDDEN_CALLS, f"line {node.lineno}"
            elif isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name):
                called = (name.value.id, name.attr)
                assert called not in {("os", "system"), ("os", "popen")}
                if called in {("np", "load"), ("numpy", "load")}:
                    stated = {word.arg: word.value for word in node.keywords}
                    value = stated.get("allow_pickle")
                    assert isinstance(value, ast.Constant)
                    assert value.value is False


def test_dependencies_have_lower_bounds():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    assert all(">=" in line for line in project["dependencies"])
