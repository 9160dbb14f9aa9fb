"""Pictures that consumers upload: verified, and encoded anew without metadata."""

import warnings
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PICTURE_BYTES: Final = 1024 * 1024
MAX_PIXELS: Final = 25_000_000  # a photo of a phone; more would take too much memory to decode
MAX_SIDE: Final = 2000  # pixels of what is kept; a screenshot stays readable
FORMATS: Final = ("PNG", "JPEG")
SIGNATURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
KEPT_TYPE: Final = "image/jpeg"  # of what `reencode` returns


class NotAPictureError(ValueError):
    """The upload is no PNG or JPEG picture, is damaged, or has too many bytes or pixels."""


def has_picture_signature(upload: bytes) -> bool:
    """Whether an upload begins as a PNG or JPEG does, and is no longer than a picture may be.

    Cheap: for who has not entered a one-time code yet.
    """
    return len(upload) <= MAX_PICTURE_BYTES and upload.startswith(SIGNATURES)


def reencode(upload: bytes) -> bytes:
    """Return a PNG or JPEG picture decoded and encoded anew: only its pixels are kept.

    What else a file can hold goes: place and device (EXIF), texts, and data behind the picture.
    Raises NotAPictureError.
    """
    if len(upload) > MAX_PICTURE_BYTES:
        raise NotAPictureError("too many bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _reencode(upload)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        SyntaxError,  # raised by the PNG decoder for damaged files
        ValueError,
    ) as error:
        raise NotAPictureError("it cannot be decoded") from error


def _reencode(upload: bytes) -> bytes:
    with Image.open(BytesIO(upload), formats=FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise NotAPictureError("too many pixels")
        upright = ImageOps.exif_transpose(opened)
        picture = upright.convert("RGB")
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    pixels = Image.new("RGB", picture.size)  # without the comments that a picture carries along
    pixels.paste(picture)
    written = BytesIO()
    pixels.save(written, format="JPEG", quality=85)
    return written.getvalue()
