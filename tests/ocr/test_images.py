"""Keys find their files and never leave the root; bad files are told apart, not raised."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backfill.errors import UsageError
from backfill.ocr.failure import Stage, UnreadableImage
from backfill.ocr.reader import images
from backfill.ocr.reader.images import ImageRoot, load_pixels, read_bytes


def _picture(mode: str = "RGB", form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (60, 40), 200 if mode in ("L", "I;16", "P") else None or 0).save(
        buffer, form, **options
    )
    return buffer.getvalue()


def _kind(read: Callable[[], object]) -> str:
    with pytest.raises(UnreadableImage) as caught:
        read()
    assert caught.value.failure.stage == Stage.INPUT
    return caught.value.failure.kind


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/one.png", "a/two.png", "b/two.png", "b/c/three.png"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "root"


def test_leading_slashes_are_cut_and_the_exact_path_wins(root: Path) -> None:
    assert ImageRoot(root).resolve("//b/two.png") == root / "b/two.png"


def test_a_unique_name_is_found_anywhere_below_the_root(root: Path) -> None:
    assert ImageRoot(root).resolve("2025/08/three.png") == root / "b/c/three.png"


def test_several_files_of_one_name_are_listed(root: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"a/two\.png, b/two\.png") as caught:
        ImageRoot(root).resolve("elsewhere/two.png")

    assert caught.value.failure.kind == "ambiguous_image"


def test_of_many_files_of_one_name_a_few_are_listed(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / f"{number:04}").mkdir()
        (tmp_path / f"{number:04}" / "screen.png").write_bytes(b"x")

    with pytest.raises(UnreadableImage, match=r"1,200 files: .* and 1,195 more") as caught:
        ImageRoot(tmp_path).resolve("elsewhere/screen.png")

    assert str(caught.value).count("screen.png") == 6


@pytest.mark.parametrize("key", ["nothing.png", "", "/", "a", "a/"])
def test_a_missing_file_names_the_key(root: Path, key: str) -> None:
    assert _kind(lambda: ImageRoot(root).resolve(key)) == "missing_image"


@pytest.mark.parametrize("key", ["../secret.png", "a/../../secret.png", "a/..", "x\0.png"])
def test_a_key_cannot_climb_out_of_the_root(root: Path, key: str) -> None:
    (root.parent / "secret.png").write_bytes(b"x")

    assert _kind(lambda: ImageRoot(root).resolve(key)) == "outside_root"


@pytest.mark.parametrize("key", ["a/link.png", "link.png"])
def test_a_link_that_leaves_the_root_is_refused(root: Path, key: str) -> None:
    (root.parent / "secret.png").write_bytes(b"x")
    (root / "a/link.png").symlink_to(root.parent / "secret.png")

    assert _kind(lambda: ImageRoot(root).resolve(key)) == "outside_root"


def test_a_linked_folder_outside_is_not_searched(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "far.png").write_bytes(b"x")
    (root / "linked").symlink_to(outside)

    assert _kind(lambda: ImageRoot(root).resolve("far.png")) == "missing_image"
    assert _kind(lambda: ImageRoot(root).resolve("linked/far.png")) == "outside_root"


def test_decomposed_and_composed_names_are_the_same(root: Path) -> None:
    (root / "a/bild\u0061\u030a.png").write_bytes(b"x")

    assert ImageRoot(root).resolve("x/bild\u00e5.png").parent == root / "a"


def test_the_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--local-root"):
        ImageRoot(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty_file"),
        (b"hello, this is text", "not_an_image"),
        (b"%PDF-1.4 not a picture", "not_an_image"),
        (_picture()[:60], "corrupt_image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "not_an_image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic_image"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic_image"),
    ],
)
def test_bad_bytes_are_told_apart(data: bytes, kind: str) -> None:
    assert _kind(lambda: load_pixels(data)) == kind


def test_a_truncated_photo_is_corrupt() -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")

    assert _kind(lambda: load_pixels(buffer.getvalue()[:4000])) == "corrupt_image"


def test_an_animated_picture_is_refused() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("L", (20, 20), shade) for shade in (0, 120, 240)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])

    assert _kind(lambda: load_pixels(buffer.getvalue())) == "animated_image"


def test_more_pixels_than_the_limit_are_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 100)

    assert _kind(lambda: load_pixels(_picture())) == "image_too_large"


def test_more_bytes_than_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    (tmp_path / "big.png").write_bytes(_picture())

    assert _kind(lambda: read_bytes(tmp_path / "big.png")) == "image_too_large"
    assert _kind(lambda: load_pixels(_picture())) == "image_too_large"


def test_a_file_that_vanished_is_a_failure(tmp_path: Path) -> None:
    assert _kind(lambda: read_bytes(tmp_path / "gone.png")) == "unreadable_file"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_pixel_becomes_rgb(mode: str) -> None:
    form = "TIFF" if mode == "CMYK" else "PNG"

    pixels = load_pixels(_picture(mode, form))

    assert pixels.shape == (40, 60, 3)
    assert pixels.dtype == np.uint8


def test_transparent_pixels_are_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(buffer, "PNG")

    assert int(load_pixels(buffer.getvalue()).min()) == 255


def test_sixteen_bits_keep_their_contrast() -> None:
    buffer = io.BytesIO()
    values = np.array([[0, 65535], [32768, 0]], dtype=np.uint16)
    Image.fromarray(values).save(buffer, "PNG")

    grey = load_pixels(buffer.getvalue())[:, :, 0]

    assert grey.tolist() == [[0, 255], [127, 0]]


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40)).save(buffer, "JPEG", exif=exif)

    assert load_pixels(buffer.getvalue()).shape == (60, 40, 3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(_picture())
    path.chmod(0)

    assert _kind(lambda: read_bytes(path)) == "unreadable_file"


def test_an_avif_file_is_a_picture() -> None:
    assert load_pixels(_picture(form="AVIF")).shape == (40, 60, 3)
