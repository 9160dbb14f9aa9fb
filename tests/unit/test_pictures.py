"""What a consumer uploads as a picture is decoded and encoded anew: only its pixels are kept."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from consent_tokens.services.pictures import (
    MAX_PICTURE_BYTES,
    MAX_SIDE,
    NotAPictureError,
    reencode,
)

GPS, MAKE, ORIENTATION = 0x8825, 0x010F, 0x0112


def written(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def test_metadata_and_what_follows_the_picture_are_gone() -> None:
    exif = Image.Exif()
    exif[MAKE] = "Secret Phone"
    exif[GPS] = {1: "N", 2: (31.0, 13.0, 0.0)}
    upload = written(Image.new("RGB", (40, 80), "red"), "JPEG", exif=exif, comment=b"my comment")
    kept = reencode(upload + b"<script>hidden</script>")
    assert b"Secret Phone" in upload
    for secret in (b"Secret Phone", b"my comment", b"hidden", b"Exif"):
        assert secret not in kept
    with Image.open(BytesIO(kept)) as opened:
        assert opened.size == (40, 80)
        assert not opened.getexif()
        red, green, blue = opened.getpixel((20, 40))  # type: ignore[misc]  # a picture in RGB
        assert red > 200
        assert green < 60
        assert blue < 60


def test_the_way_up_is_kept() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was turned by a quarter
    kept = reencode(written(Image.new("RGB", (40, 80)), "JPEG", exif=exif))
    with Image.open(BytesIO(kept)) as opened:
        assert opened.size == (80, 40)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_taken(mode: str) -> None:
    assert reencode(written(Image.new(mode, (10, 20)), "PNG")).startswith(b"\xff\xd8\xff")


def test_a_large_picture_is_made_smaller() -> None:
    kept = reencode(written(Image.new("L", (3000, 4000)), "PNG"))
    with Image.open(BytesIO(kept)) as opened:
        assert max(opened.size) == MAX_SIDE
    assert len(kept) < MAX_PICTURE_BYTES


@pytest.mark.parametrize(
    "upload",
    [
        b"<svg onload=alert(1)>",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff" + bytes(100),
        written(Image.new("RGB", (10, 10)), "GIF"),
        written(Image.effect_noise((100, 100), 50), "PNG")[:2000],
        written(Image.new("1", (20_000, 20_000)), "PNG"),  # small as a file, 400 MB decoded
        b"x" * (MAX_PICTURE_BYTES + 1),
    ],
    ids=["svg", "png", "jpeg", "gif", "cut short", "bomb", "too long"],
)
def test_what_is_no_picture_is_refused(upload: bytes) -> None:
    with pytest.raises(NotAPictureError):
        reencode(upload)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"]))
def test_no_upload_crashes(rest: bytes, first: bytes) -> None:
    try:
        reencode(first + rest)
    except NotAPictureError:
        return
