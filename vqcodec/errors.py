"""The one exception tree: whatever vqcodec itself refuses is a `VQError`.

The command line prints the message of a `VQError` as its one sentence and
exits with status 1, so messages are whole sentences without a final stop,
name the file or value at fault, and say what would help where that is known.
"""

from __future__ import annotations


class VQError(Exception):
    """Base of every error that vqcodec raises on purpose."""


class ParameterError(VQError, ValueError):
    """An argument is outside its legal range or contradicts another one."""


class MediaError(VQError):
    """An image or a sound cannot be read or written."""


class FormatError(VQError):
    """A .vqi, .vqa or .vqcb file is not what it claims to be."""


class TruncatedError(FormatError):
    """The file ends before its contents do."""


class ChecksumError(FormatError):
    """The bytes of a chunk, or the decoded samples, differ from their checksum."""


class LimitError(FormatError):
    """The file asks for more memory than the limits in force allow."""


class CodebookError(VQError):
    """A codebook is of another kind, malformed, or cannot be trained."""


class MissingCodebookError(CodebookError):
    """The file names an external codebook by its hash, and it was not found."""


class TargetError(VQError):
    """No setting of the encoder meets the size, rate or quality asked for."""


class CancelledError(VQError):
    """A progress callback asked to stop."""
