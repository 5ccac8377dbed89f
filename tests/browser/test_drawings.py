"""The benchmark's drawings: all of its generators draw in one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
_DRAW = """
import sys
from pathlib import Path
from tests.bench.others import Camera, others_sessions
from tests.bench.pages import Browser
from tests.bench.strange import Drawer, strange_sessions
from tests.bench.strange_words import Half

folder = Path(sys.argv[1])
with Browser() as browser:
    drawer, camera = Drawer(folder / "strange", browser), Camera(folder / "others", browser)
    for session in (
        *strange_sessions(drawer, Half.TUNE, "strange", 1),
        *others_sessions(camera, Half.TUNE, "others", 1),
    ):
        print(sum(len(image.data) > 0 for image in session.images))
"""


def test_sets_of_two_generators_that_nobody_drew_before_are_drawn_by_one_call(
    tmp_path: Path,
) -> None:
    root = Path(__file__).parents[2]
    drawn = subprocess.run(
        [sys.executable, "-c", _DRAW, str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert drawn.returncode == 0, drawn.stderr
    assert len(drawn.stdout.split()) == 2
    assert all(int(count) > 0 for count in drawn.stdout.split())
