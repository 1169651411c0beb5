"""``python -m vqcodec`` is the command line."""

from vqcodec.cli import main

main()
