"""``python -m vqcodec`` is the command line."""

from vqcodec.cli import main

if __name__ == "__main__":  # processes of a batch import this module again
    main()
