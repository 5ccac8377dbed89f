"""The guided tour of `00_start_here`: the UTC job on invented data, from the look to the undo.

It works on a database of its own on the embedded server, made anew each time: whatever
`DATABASE_URL` names is neither read nor written, and neither is the demo.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from backfill import workbook
from backfill.jobs.utc.entry import UTC_PARAMETERS
from backfill.notebook.run_book import RunBook
from backfill.parameters import Kind, Parameter, check_parameters, injected_names
from backfill.server.database import TOUR_ENV
from backfill.server.embedded import TOUR_DATABASE, EmbeddedServer, default_home
from backfill.server.postgres import connect, scalar
from backfill.workbook import Book
from backfill_lab.demo.seed import seed

TOUR_PARAMETERS = (Parameter("household_id", Kind.TEXTS, "hh_demo", "the household of the tour"),)


def begin(namespace: Mapping[str, Any]) -> Book:
    """Check the tour's parameter, make its database anew, and open a run that only plans."""
    given = check_parameters(TOUR_PARAMETERS, namespace, injected_names(namespace.get("In", [])))
    os.environ[TOUR_ENV] = _fresh_database()
    defaults = {parameter.name: parameter.default for parameter in UTC_PARAMETERS}
    return Book("utc", defaults | given | {"dsn_env": TOUR_ENV, "apply": False})


def plan_again(run: Book) -> Book:
    """Close a run that only planned; return one to be applied, with its decisions in the plan."""
    run.summary()
    again = Book("utc", run.values | {"decisions": run.run_id, "apply": True})
    again.preflight()
    again.extract()
    again.compute()
    again.plan()
    return again


def undo(run: RunBook) -> RunBook:
    """Return a run that puts back what another wrote: a run of its own, with a plan."""
    given = {name: run.values[name] for name in ("runs_dir", "dsn_env")}
    return workbook.open_revert({**given, "run_id": run.run_id, "apply": True})


def _fresh_database() -> str:
    """Return the URL of the tour's database, with the demo as it was on the first day."""
    server = EmbeddedServer(default_home())
    server.start()
    with connect(server.dsn) as connection:
        query = "SELECT count(*) FROM pg_database WHERE datname = %s"
        if not scalar(connection, query, TOUR_DATABASE):
            connection.create_database(TOUR_DATABASE)
    dsn = server.dsn_of(TOUR_DATABASE)
    with connect(dsn) as connection:
        seed(connection)
    return dsn
