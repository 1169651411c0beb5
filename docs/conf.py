"""Sphinx: ``sphinx-build -W -b html docs docs/_build/html``, and the same with ``-b doctest``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

from vqcodec.version import __version__  # noqa: E402

project = "vqcodec"
author = "The vqcodec developers"
copyright = "the vqcodec developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "numpydoc",
    "myst_parser",
    "commandline",
]
exclude_patterns = ["_build"]
suppress_warnings = ["toc.not_included", "myst.header"]

myst_heading_anchors = 3

default_role = "py:obj"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# The examples of docstrings run in a folder of their own.
doctest_test_doctest_blocks = "default"
doctest_global_setup = """
import os, tempfile
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)
"""
doctest_global_cleanup = """
os.chdir(os.path.sep)
folder.cleanup()
"""

html_theme = "alabaster"
html_title = "vqcodec"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_theme_options = {
    "description": "Vector quantization as a tool",
    "fixed_sidebar": True,
    "page_width": "70rem",
    "sidebar_width": "15rem",
    "body_max_width": "52rem",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_show_sourcelink = False
