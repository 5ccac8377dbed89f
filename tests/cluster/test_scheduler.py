"""A cluster is refused, with the reason, before any work; and left as it was found."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.conftest import wait_for
from tests.cluster.dask_cluster import DaskCluster, connected, dask_cluster
from tests.cluster.engines import Quiet, count_tasks, same_everywhere, wait_for_go_on

from backfill.errors import ClusterLost, ExitCode, PreflightError, UsageError
from backfill.ocr.reader.pool import read_images
from backfill.workers import cluster as cluster_module
from backfill.workers.cluster import check_scheduler, open_executor
from backfill_lab.demo.stored import stored_sessions

pytestmark = pytest.mark.cluster

IMAGE = stored_sessions()[0].images[0]


def refusal(address: str) -> PreflightError:
    """Return why the cluster is refused."""
    with pytest.raises(PreflightError) as caught, open_executor(address, 0, same_everywhere):
        pass
    assert caught.value.exit_code is ExitCode.PREFLIGHT
    return caught.value


@pytest.mark.parametrize("word", ["", "auto"])
def test_no_address_means_this_machine(word: str) -> None:
    assert check_scheduler(word) == ""


@pytest.mark.parametrize(
    "address",
    [
        "scheduler.example:8786",
        "tcp://scheduler.example",
        "http://scheduler.example:8786",
        "tcp://me:secret@scheduler.example:8786",
        "tcp://scheduler.example:8786/x",
        "tcp://scheduler.example:99999",
        "tcp://[half:8786",
    ],
)
def test_what_is_no_address_of_a_scheduler_is_a_usage_error(address: str) -> None:
    with pytest.raises(UsageError, match=r"tcp://HOST:8786"):
        check_scheduler(address)


def test_a_missing_extra_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    assert "pip install 'backfill-workbook[dask]'" in str(refusal("tcp://127.0.0.1:8786"))


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_scheduler_that_is_not_there_is_refused_at_once(closed_port: int) -> None:
    assert "refused" in str(refusal(f"tcp://127.0.0.1:{closed_port}"))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_scheduler_that_says_nothing_is_given_up_after_the_deadline(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 1.0)

    assert "did not answer within 1 seconds" in str(refusal(f"tcp://127.0.0.1:{silent_port}"))


def test_tls_without_a_certificate_in_dasks_configuration_is_refused(silent_port: int) -> None:
    assert "distributed.comm.tls.ca-file" in str(refusal(f"tls://127.0.0.1:{silent_port}"))


@pytest.mark.slow
def test_a_worker_with_another_version_of_the_time_zone_data_is_refused(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    other = tmp_path / "tzdata-1999.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: tzdata\nVersion: 1999.1\n")
    odd = cluster.add_worker("--name", "odd", environment={"PYTHONPATH": str(tmp_path)})
    cluster.wait_for_workers(3)

    said = str(refusal(cluster.address))

    assert "tzdata 1999.1 (here: " in said
    assert "The Dask worker tcp://" in said
    cluster.end(odd)


@pytest.mark.slow
def test_a_worker_without_our_package_is_refused(cluster: DaskCluster, tmp_path: Path) -> None:
    (tmp_path / "backfill").mkdir()
    (tmp_path / "backfill" / "__init__.py").write_text("raise ImportError('nothing here')\n")
    odd = cluster.add_worker(environment={"PYTHONPATH": str(tmp_path)})
    cluster.wait_for_workers(3)

    assert "can not run this work" in str(refusal(cluster.address))

    cluster.end(odd)


def test_a_scheduler_without_workers_is_refused_with_the_command_that_starts_one(
    tmp_path: Path,
) -> None:
    with dask_cluster(tmp_path, workers=0) as empty:
        assert f"dask worker {empty.address}" in str(refusal(empty.address))


@pytest.mark.slow
def test_a_worker_that_joins_later_with_other_versions_is_refused_by_its_first_piece(
    tmp_path: Path,
) -> None:
    with dask_cluster(tmp_path / "cluster", workers=1) as cluster:
        other = tmp_path / "tzdata-1999.1.dist-info"
        other.mkdir()
        (other / "METADATA").write_text("Metadata-Version: 2.1\nName: tzdata\nVersion: 1999.1\n")
        with open_executor(cluster.address, 0, same_everywhere) as executor:
            assert executor.submit(os.getpid).result() != os.getpid()
            cluster.add_worker(environment={"PYTHONPATH": str(tmp_path)})
            cluster.wait_for_workers(2)
            cluster.end(cluster.workers[0])

            with pytest.raises(PreflightError, match=r"tzdata 1999\.1"):
                executor.submit(os.getpid).result()


@pytest.mark.kill
@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_work_with_what_to_do(tmp_path: Path) -> None:
    with (
        dask_cluster(tmp_path, workers=1) as cluster,
        open_executor(cluster.address, 0, same_everywhere) as executor,
    ):
        piece = executor.submit(wait_for_go_on, str(tmp_path))
        wait_for(tmp_path / "begun")
        cluster.scheduler.send_signal(signal.SIGKILL)

        with pytest.raises(ClusterLost, match=r"was lost.*Nothing was written"):
            piece.result()
        with pytest.raises(ClusterLost):
            next(read_images([IMAGE], engine_factory=Quiet(), executor=executor))


@pytest.mark.kill
def test_work_that_is_given_up_leaves_nothing_at_the_scheduler(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        open_executor(cluster.address, 0, same_everywhere) as executor,
    ):
        for _ in range(20):
            executor.submit(wait_for_go_on, str(tmp_path))
        wait_for(tmp_path / "begun")
        raise KeyboardInterrupt

    (tmp_path / "go_on").touch()
    assert [thread.name for thread in threading.enumerate() if thread.name == "IO loop"] == []
    with connected(cluster.address) as client:
        assert client.run_on_scheduler(count_tasks) == 0
