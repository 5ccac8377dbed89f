"""A command whose connection is cut says so, without a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.chaos.selftest.proxy import proxy_to
from tests.chaos.selftest.world import Stage
from tests.chaos.test_inputs import run_main

from backfill.server.embedded_socket import SOCKET_FILE

CUTS = 12


@pytest.mark.chaos
@pytest.mark.parametrize("command", ["status", "verify", "check", "grants", "evidence", "cancel"])
def test_a_cut_command_says_that_the_database_was_lost(
    stage: Stage, tmp_path: Path, command: str
) -> None:
    draw = random.Random(command)
    with (
        stage.world(draw) as world,
        proxy_to(stage.server.socket_folder / SOCKET_FILE) as proxy,
    ):
        run_id = world.plan().run_id
        arguments = {
            "check": [],
            "grants": [],
            "evidence": ["check", str(world.folder(run_id).path)],
        }.get(command, [run_id])
        run_main([command, *arguments], proxy.dsn(world.dsn), tmp_path)
        whole = proxy.most_sent  # a session that is cut as it opens is opened once more
        lost = 0
        for _ in range(CUTS):
            proxy.cut_after(draw.randint(1, whole))
            code, _out, err = run_main([command, *arguments], proxy.dsn(world.dsn), tmp_path)
            lost += code == 1

            assert "Traceback" not in err
            assert code in {0, 1, 2, 6, 8}
            if code == 1:
                assert "backfill doctor" in err

        assert lost > 0
        assert world.status(run_id) in {"planned", "cancelled"}
