"""The border to the world's files: images and sounds in, images and sounds out.

`Image` and `Audio` are the two values that the codecs work on: an array of
samples, and beside it the metadata and a word on where they come from. Pillow
and soundfile read and write the files; what they cannot (16 bits a channel)
stands in `wide.py`.
"""

from vqcodec.media.audio import Audio, load_audio, save_audio
from vqcodec.media.image import Image, Source, check_region
from vqcodec.media.reading import load_image
from vqcodec.media.writing import output_formats, save_image

__all__ = [
    "Audio",
    "Image",
    "Source",
    "check_region",
    "load_audio",
    "load_image",
    "output_formats",
    "save_audio",
    "save_image",
]
