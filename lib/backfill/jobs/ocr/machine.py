"""What reading screenshots needs of this machine, looked at for `backfill doctor`."""

from __future__ import annotations

import shutil
import subprocess

from backfill.steps.finding import Finding, Unwell, guarded

LANGUAGE = "swe"
ANSWER_SECONDS = 20.0
INSTALL = (
    "sudo apt-get install tesseract-ocr tesseract-ocr-swe "
    "(or: brew install tesseract tesseract-lang; conda install -c conda-forge tesseract)"
)


def examine_machine(_anew: str) -> list[Finding]:
    """Return whether the program that reads, and its language, are here."""
    return [guarded("Tesseract", _tesseract, INSTALL)]


def _tesseract() -> str:
    program = shutil.which("tesseract")
    if program is None:
        raise Unwell("the command tesseract is not found; only screenshots need it")
    languages = _said_by(program, "--list-langs").split()
    if LANGUAGE not in languages:
        raise Unwell(f"{program} has no language data {LANGUAGE}")
    first = _said_by(program, "--version").splitlines()[0]
    return f"{first} with {LANGUAGE}, {program}"


def _said_by(program: str, option: str) -> str:
    done = subprocess.run(
        [program, option],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=ANSWER_SECONDS,
        check=False,
    )
    return done.stdout or done.stderr
