"""Where each image of the selected sessions lies, and which keys land on one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backfill.ocr.day.session import CaptureImage, CaptureSession
from backfill.ocr.failure import ImageFailure, UnreadableImage
from backfill.ocr.reader.images import ImageRoot


@dataclass(frozen=True, slots=True)
class LocatedImage:
    """An image and its file, or why there is none."""

    image: CaptureImage
    found: Path | ImageFailure

    @property
    def local_path(self) -> str:
        return "" if isinstance(self.found, ImageFailure) else str(self.found)


@dataclass(frozen=True, slots=True)
class LocatedSession:
    """A session, its images in `sequence` order, and what a person should know of its files."""

    session: CaptureSession
    images: tuple[LocatedImage, ...]
    warnings: tuple[str, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """The files to read: none when one is missing, since the session fails anyway."""
        paths = [i.found for i in self.images if not isinstance(i.found, ImageFailure)]
        return paths if len(paths) == len(self.images) else []


def locate_images(root: ImageRoot, sessions: Sequence[CaptureSession]) -> list[LocatedSession]:
    """Resolve every key under the local root; keys that share a file are told by a warning."""
    located = [
        (session, tuple(_locate(root, image) for image in session.images)) for session in sessions
    ]
    keys: dict[Path, list[str]] = {}
    for _session, images in located:
        for image in images:
            if not isinstance(image.found, ImageFailure):
                keys.setdefault(image.found, []).append(image.image.r2_key)
    return [
        LocatedSession(session, images, tuple(_shared(images, keys))) for session, images in located
    ]


def _locate(root: ImageRoot, image: CaptureImage) -> LocatedImage:
    try:
        return LocatedImage(image, root.resolve(image.r2_key))
    except UnreadableImage as error:
        return LocatedImage(image, error.failure)


def _shared(images: Iterable[LocatedImage], keys: dict[Path, list[str]]) -> Iterable[str]:
    for image in images:
        if isinstance(image.found, ImageFailure):
            continue
        others = [key for key in keys[image.found] if key != image.image.r2_key]
        if others:
            yield (
                f"image {image.image.sequence}: {image.image.r2_key} and {', '.join(others)} are "
                f"one file, {image.found.name}"
            )
