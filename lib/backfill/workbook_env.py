"""Names of the environment variables by which the command line talks to a notebook's kernel."""

from __future__ import annotations

#: The run id that the command line chose.
RUN_ID_ENV = "BACKFILL_RUN_ID"
#: The executed notebook's name in the run's folder; the command line closes the folder once more.
NOTEBOOK_ENV = "BACKFILL_NOTEBOOK"
