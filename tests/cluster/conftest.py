"""One Dask cluster for the tests of this folder, and a look at what they leave behind."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.cluster.dask_cluster import PAUSE, DaskCluster, dask_cluster
from tests.deadline import DEADLINE_SECONDS


@pytest.fixture(scope="module")
def cluster_of_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers; one that a test kills is started anew by its nanny."""
    with dask_cluster(tmp_path_factory.mktemp("cluster"), workers=2) as cluster:
        yield cluster


@pytest.fixture
def cluster(cluster_of_two: DaskCluster) -> DaskCluster:
    """The two workers, both there: the test before may have killed some."""
    cluster_of_two.wait_for_workers(2)
    return cluster_of_two


@pytest.fixture(autouse=True)
def nothing_stays_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test after which a process of its own lives on; workers may be started anew."""
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster")
    me = psutil.Process(os.getpid())
    before = {child.pid for child in me.children()}
    yield
    # Python's keeper of shared resources, the server and the nursery live as long as the session.
    left = [
        child
        for child in me.children()
        if child.pid not in before
        and not {"postgres", "resource_tracker", "nursery"} & _words(child)
    ]
    psutil.wait_procs(left, timeout=DEADLINE_SECONDS)
    assert [child for child in left if child.is_running()] == []


def _words(process: psutil.Process) -> set[str]:
    try:
        return set(re.findall(r"\w+", " ".join(process.cmdline())))
    except psutil.NoSuchProcess:
        return set()


def wait_for(path: Path) -> str:
    """Wait until a file has text; return it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path} never came"
        PAUSE.wait(0.02)
    return path.read_text()
