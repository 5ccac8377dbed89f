"""Versions of everything that computes, for a run's record."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import sys
from pathlib import Path

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
    numbers = {"python": platform.python_version(), "platform": sys.platform}
    return numbers | {name: _version(name) for name in _PACKAGES}


@functools.cache
def _version(package: str) -> str:
    """Return what this process works with: a package that is renewed meanwhile is not loaded anew.

    Asked a dozen times a run; reading and parsing what the packages say takes 20 ms each time.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def computing_versions() -> dict[str, str]:
    """Return what must be the same on every machine that computes a part of one run.

    `code` is the SHA-256 of this package's own modules: two checkouts of one version may differ.
    """
    numbers = versions()
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": platform.machine(),
        "code": code_digest(),
        **{name: numbers[name] for name in ("backfill-workbook", "numpy", "pyarrow", "tzdata")},
    }


@functools.cache
def code_digest() -> str:
    """Return the first 16 digits of the SHA-256 of every module and data file that computes."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".toml"):
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
