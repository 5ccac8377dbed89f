"""What reads the screenshots of a run, with the versions of all that decides a reading."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass

from backfill.ocr.engines.engine import LoadingEngine
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.reader.pool import engine_here
from backfill.ocr.screen.reading import READER_VERSION
from backfill.versions import computing_versions


def reader_facts(choice: EngineChoice) -> dict[str, str]:
    """Return what is recorded with a plan; raises UsageError, PreflightError.

    Data that is damaged is told before the first image.
    """
    engine = engine_here(choice)
    if isinstance(engine, LoadingEngine):
        engine.load()
    return {
        "engine": engine.name,
        "version": engine.version,
        "language_data": choice.language,
        "language_data_sha256": engine.language_hash,
        "reader": READER_VERSION,
    }


@dataclass(frozen=True, slots=True)
class ReaderVersions:
    """Called on a machine, tells what must be the same wherever images of one run are read."""

    choice: EngineChoice

    def __call__(self) -> Mapping[str, str]:
        """Raises PreflightError where the engine is not installed."""
        import cv2

        facts = reader_facts(self.choice)
        return {
            **computing_versions(),
            facts["engine"]: facts["version"],
            f"language data {facts['language_data']}": facts["language_data_sha256"][:16],
            "opencv": cv2.__version__,
            "pillow": importlib.metadata.version("pillow"),
        }
