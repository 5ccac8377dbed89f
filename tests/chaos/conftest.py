"""One stage for all chaos tests: a server and victims of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import nursery
from tests.chaos.selftest.world import Stage


@pytest.fixture(scope="session")
def stage(server_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.chaos.selftest.actor.subprocess", nursery.IN_PLACE_OF_SUBPROCESS)
        with Stage(server_folder / "chaos", tmp_path_factory.mktemp("worlds")) as stage:
            yield stage
