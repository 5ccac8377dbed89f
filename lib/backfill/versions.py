"""Versions of everything that computes, for a run's record."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

_PACKAGES = (
    "backfill-workbook",
    "adbc-driver-postgresql",
    "duckdb",
    "numpy",
    "opencv-python",
    "pandas",
    "papermill",
    "psycopg",
    "pyarrow",
    "pytesseract",
    "tzdata",
)


def versions() -> dict[str, str]:
    """Return name and version of Python, the platform and every package that touches a value."""
    found = {"python": platform.python_version(), "platform": sys.platform}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
