"""What tests need to draw a screen of their own."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl


def dejavu(*, is_bold: bool = False) -> str:
    """Return the path of the font that comes with matplotlib, and so is on every machine."""
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    return str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name)
