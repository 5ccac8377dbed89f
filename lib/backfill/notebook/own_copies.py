"""Copies of the notebooks in a folder of the user's: a save there changes no file of the product.

Beside the copies stands a file of what was copied (name to SHA-256), so that a copy which nobody
edited follows the product, and an edited one stays as its owner left it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from backfill.errors import StorageError
from backfill.folder import notebooks_folder
from backfill.next_command import next_command

FOLDER_NAME = "backfill-notebooks"
COPIED_FILE = ".copied.json"


@dataclass(frozen=True, slots=True)
class OwnCopies:
    """Where the copies are, and the names of those that differ from the product's by an edit."""

    folder: Path
    edited: tuple[str, ...]


def copy_notebooks(folder: Path) -> OwnCopies:
    """Bring every notebook of the product into `folder`; never write over an edited copy.

    Raises:
        StorageError: the folder can not be written, or the product's notebooks are missing.
    """
    edited = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copied = _copied(folder)
        for source in sorted(notebooks_folder().glob("*.ipynb")):
            ours = source.read_bytes()
            copy = folder / source.name
            theirs = copy.read_bytes() if copy.is_file() else None
            if theirs is not None and _digest(theirs) not in {
                copied.get(source.name),
                _digest(ours),
            }:
                edited.append(source.name)
                continue
            if theirs != ours:
                copy.write_bytes(ours)
            copied[source.name] = _digest(ours)
        (folder / COPIED_FILE).write_text(json.dumps(copied, indent=1), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The notebooks can not be copied to {folder}: {error.strerror}. "
            f"Name another folder: {next_command('lab', '--notebooks-dir', 'DIR')}"
        ) from None
    return OwnCopies(folder, tuple(edited))


def _copied(folder: Path) -> dict[str, str]:
    """Return what was copied before; nothing where the file was lost or is not ours."""
    try:
        document = json.loads((folder / COPIED_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
