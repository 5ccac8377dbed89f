"""Screenshots behind PgBouncer, a pool of one included, with an application's writes between."""

from __future__ import annotations

import threading

import psycopg
import pytest
from tests.jobs.ocr_bench import FIRST, LONG, OTHER, SECOND, OcrBench, essentials, take
from tests.jobs.ocr_bench import truth as drawn
from tests.server.pgbouncer import pooled

pytestmark = pytest.mark.ocr


def of_a_session(dsn: str) -> dict[str, str]:
    """Return SHOW ALL of the next session that the pool gives, and what it has prepared."""
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        shown = {str(r[0]): str(r[1]) for r in connection.execute("SHOW ALL").fetchall()}
        prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        return {**shown, "prepared": str(prepared)}


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_sessions_are_read_written_proven_and_reverted_beside_an_application_in_its_pool(
    three: OcrBench, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.sql("CREATE TABLE shop (item int PRIMARY KEY, sold bigint NOT NULL DEFAULT 0)")
    three.sql("INSERT INTO shop VALUES (1)")
    before = three.stored()
    is_over, errors, writes = threading.Event(), [], 0
    with pooled(three.dsn, mode, 1 if mode == "transaction" else 4) as dsn:
        settings = of_a_session(dsn)

        def sell() -> None:
            nonlocal writes
            with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
                while not is_over.is_set():
                    try:
                        connection.execute("UPDATE shop SET sold = sold + 1")
                    except psycopg.Error as error:
                        errors.append(str(error))
                    writes += 1

        application = threading.Thread(target=sell)
        application.start()
        monkeypatch.setenv("DATABASE_URL", dsn)
        try:
            run = take(three, apply=True)
            proof = three.verify(run.run_id)
            written = [
                essentials(three.payload(*of)) for of in ((FIRST,), (SECOND,), (LONG, OTHER))
            ]
            three.revert(run.run_id)
        finally:
            is_over.set()
            application.join()

        assert errors == [] and three.sql("SELECT sold FROM shop") == [(writes,)]
        assert of_a_session(dsn) == settings
    assert written == [drawn(FIRST), drawn(SECOND), drawn(LONG)]
    assert proof.is_proven
    assert three.stored() == before
