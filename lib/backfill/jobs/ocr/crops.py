"""Pictures of what was read: an image with its boxes, the cut-out of a card; in the page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from backfill.display.pages import escape
from backfill.errors import BackfillError
from backfill.ocr import limits
from backfill.ocr.failure import UnreadableImage
from backfill.ocr.reader.images import load_pixels, read_bytes

THUMBNAIL_WIDTH = 230
CROP_WIDTH = 560
CROP_MARGIN = 12
JPEG_QUALITY = 55
#: Text, left, top, width, height (pixels of the image), confidence 0…100.
BoxedWord = Sequence[Any]
_SURE_COLOUR = (46, 125, 80)
_UNSURE_COLOUR = (200, 30, 30)
_UNSURE_WIDTH = 3


def is_inside(word: BoxedWord, box: Sequence[float]) -> bool:
    """Return whether the middle of a word lies in a box: left, top, width, height."""
    left, top, width, height = box
    across, down = word[1] + word[3] / 2, word[2] + word[4] / 2
    return bool(left <= across <= left + width and top <= down <= top + height)


def thumbnail(sequence: int, r2_key: str, path: str, words: str) -> str:
    """Return an image, downscaled, with a box around each word; thick and red where it is not sure.

    `words` is JSON: [text, left, top, width, height, confidence] each, in pixels of the image.
    """
    picture = open_image(path)
    if picture is None:
        return f"<p>image {sequence}, {escape(r2_key)}: no picture</p>"
    scale = THUMBNAIL_WIDTH / picture.width
    small = picture.resize((THUMBNAIL_WIDTH, max(1, round(picture.height * scale))))
    pen = ImageDraw.Draw(small)
    unsure = 0
    for _text, left, top, box_width, height, confidence in json.loads(words):
        box = (left, top, left + box_width, top + height)
        is_sure = confidence >= limits.SURE
        colour = _SURE_COLOUR if is_sure else _UNSURE_COLOUR
        corners = tuple(part * scale for part in box)
        pen.rectangle(corners, outline=colour, width=1 if is_sure else _UNSURE_WIDTH)
        unsure += not is_sure
    doubts = f"{unsure} words not sure, in thick boxes" if unsure else "every word is sure"
    return picture_markup(small, f"image {sequence}: {r2_key}; {doubts}")


def cut_out(path: str, box: Sequence[float]) -> Image.Image | None:
    """Return the part of an image around (left, top, width, height), None when it is gone."""
    picture = open_image(path)
    if picture is None:
        return None
    left, top, width, height = box
    cut = picture.crop(
        (
            max(left - CROP_MARGIN, 0),
            max(top - CROP_MARGIN, 0),
            min(left + width + CROP_MARGIN, picture.width),
            min(top + height + CROP_MARGIN, picture.height),
        )
    )
    if cut.width > CROP_WIDTH:
        cut = cut.resize((CROP_WIDTH, max(1, round(cut.height * CROP_WIDTH / cut.width))))
    return cut


def cut_markup(path: str, box: Sequence[float], says: str) -> str:
    """Return a cut-out as HTML that carries it, empty when the image is gone."""
    cut = cut_out(path, box)
    return picture_markup(cut, says) if cut else ""


def open_image(path: str) -> Image.Image | None:
    """Return an image once more, None when it can not be had: a page is no reason to fail."""
    try:
        return Image.fromarray(load_pixels(read_bytes(Path(path))))
    except (UnreadableImage, BackfillError, OSError):
        return None


def as_jpeg(image: Image.Image) -> bytes:
    """Return a small JPEG of an image."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return stream.getvalue()


def picture_markup(image: Image.Image, says: str) -> str:
    """Return an image as HTML that carries it."""
    data = base64.b64encode(as_jpeg(image)).decode("ascii")
    return (
        f'<img src="data:image/jpeg;base64,{data}" alt="{escape(says)}" title="{escape(says)}"'
        f' width="{image.width}" height="{image.height}" style="margin:2px">'
    )
