"""Find the file of an `r2_key` under the local root, and load its pixels or say why not."""

from __future__ import annotations

import io
import os
import re
import struct
import unicodedata
import warnings
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from backfill.errors import UsageError
from backfill.ocr import limits
from backfill.ocr.failure import UnreadableImage

Pixels = npt.NDArray[np.uint8]

MAX_BYTES = 40 * 1024 * 1024
MAX_PIXELS = 50_000_000
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
# How a phone's HEIC file begins, behind the length of its first part.
_HEIC = re.compile(rb"....ftyp(?:hei[cxms]|hev[cx]|mif1(?!.{0,24}avif)|msf1)", re.DOTALL)
# A phone's multi-picture JPEG holds the screenshot first; every other format is one picture.
_FIRST_FRAME_COUNTS = ("MPO",)
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip


class ImageRoot:
    """A folder of downloaded images, in which keys are looked up by path, then by name."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError when `folder` is no folder."""
        if not folder.is_dir():
            raise UsageError(f"The local root {folder} is not a folder; pass --local-root DIR.")
        self.folder = folder
        self._real = folder.resolve()
        self._index: dict[str, list[Path]] | None = None

    def resolve(self, r2_key: str) -> Path:
        """Return the file of a key: the exact relative path, else the only file of that name.

        Raises UnreadableImage: `outside_root`, `ambiguous_image` or `missing_image`.
        """
        key = PurePosixPath(r2_key.lstrip("/"))
        if ".." in key.parts or "\0" in r2_key:
            raise UnreadableImage("outside_root", f"The key {r2_key!r} would leave the local root.")
        exact = self.folder / key
        if key.name and exact.is_file():
            if not self._is_inside(exact):
                raise UnreadableImage(
                    "outside_root",
                    f"The file of {r2_key!r} is a link that leaves the local root.",
                )
            return exact
        return self._by_name(r2_key, key.name)

    def _by_name(self, r2_key: str, name: str) -> Path:
        found = self._files().get(_name_key(name), []) if name else []
        inside = [path for path in found if self._is_inside(path)]
        if found and not inside:
            raise UnreadableImage(
                "outside_root",
                f"The file of {r2_key!r} is a link that leaves the local root.",
            )
        different = {path.resolve(): path for path in reversed(inside)}
        if len(different) > 1:
            names = [
                path.relative_to(self.folder).as_posix() for path in inside[: limits.FILES_LISTED]
            ]
            more = (
                f" and {len(inside) - limits.FILES_LISTED:,} more"
                if len(inside) > limits.FILES_LISTED
                else ""
            )
            raise UnreadableImage(
                "ambiguous_image",
                f"{r2_key!r} could be any of {len(inside):,} files: {', '.join(names)}{more}.",
            )
        if not different:
            raise UnreadableImage(
                "missing_image", f"No file of {r2_key!r} is under the local root."
            )
        return inside[0]

    def _files(self) -> dict[str, list[Path]]:
        """Return all files by name, from one walk that does not follow links to folders."""
        if self._index is None:
            index: dict[str, list[Path]] = {}
            for folder, folders, names in os.walk(self.folder):
                folders.sort()
                for name in sorted(names):
                    index.setdefault(_name_key(name), []).append(Path(folder) / name)
            self._index = index
        return self._index

    def _is_inside(self, path: Path) -> bool:
        return path.is_file() and path.resolve().is_relative_to(self._real)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of an image file; raises UnreadableImage."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableImage(
                "image_too_large",
                f"{path.name} is larger than {MAX_BYTES // 1024 // 1024} MiB.",
            )
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(
            "unreadable_file", f"{path.name} cannot be read: {error.strerror}."
        ) from error


def load_pixels(data: bytes) -> Pixels:
    """Return the picture upright, as RGB of 8 bits, on white where it is transparent.

    Raises UnreadableImage: `empty_file`, `image_too_large`, `not_an_image`, `heic_image`,
    `animated_image` or `corrupt_image`.
    """
    if not data:
        raise UnreadableImage("empty_file", "The file is empty.")
    if len(data) > MAX_BYTES:
        raise UnreadableImage("image_too_large", f"More than {MAX_BYTES // 1024 // 1024} MiB.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _open(data) as image:
            _check_size(image)
            if getattr(image, "n_frames", 1) > 1 and image.format not in _FIRST_FRAME_COUNTS:
                raise UnreadableImage("animated_image", "The file holds more than one picture.")
            try:
                return _upright_rgb(image)
            except _DECODER_ERRORS as error:
                raise UnreadableImage(
                    "corrupt_image", f"The picture cannot be decoded: {error}"
                ) from error


def _open(data: bytes) -> Image.Image:
    # Without this Pillow knows some formats only, and stops at the first that it does not.
    Image.init()
    if _HEIC.match(data):
        raise UnreadableImage(
            "heic_image",
            "The file is HEIC, which is not read. Convert it: heif-convert FILE.heic FILE.png "
            "(Debian: libheif-examples), or on a Mac: sips -s format png FILE.heic --out FILE.png",
        )
    known = [name for name in FORMATS if name in Image.OPEN]
    try:
        return Image.open(io.BytesIO(data), formats=known)
    except Image.DecompressionBombError as error:
        raise UnreadableImage("image_too_large", f"{error}") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(
            "not_an_image", f"The file is none of {', '.join(FORMATS)}."
        ) from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImage(
            "image_too_large",
            f"{image.width} × {image.height} pixels: more than {MAX_PIXELS // 1_000_000} million.",
        )


def _upright_rgb(image: Image.Image) -> Pixels:
    image.load()
    # In place, and no conversion of what is RGB already: each would copy the whole picture.
    ImageOps.exif_transpose(image, in_place=True)
    upright = image
    if upright.mode.startswith("I") or upright.mode == "F":
        values = np.asarray(upright, dtype=np.float64)
        top = 65535.0 if values.max(initial=0.0) > 255 else 255.0
        grey = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.stack([grey] * 3, axis=-1))
    if upright.has_transparency_data:
        clear = upright.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, clear)
    coloured = upright if upright.mode == "RGB" else upright.convert("RGB")
    return np.ascontiguousarray(np.asarray(coloured, dtype=np.uint8))


def _name_key(name: str) -> str:
    """Names compare alike whether å is stored as one character or two (macOS stores two)."""
    return unicodedata.normalize("NFC", name)
