"""Which database the command line names: by its address, or by a variable that holds it."""

from __future__ import annotations

import os

from backfill.errors import UsageError
from backfill.next_command import DATABASE_URL, DSN_ENV_OPTION, remember_option, remember_variable
from backfill.server.database import dsn_of
from backfill.server.dsn import DSN_ENV, check_dsn, without_password


def take_database(address: str | None, variable: str | None) -> str:
    """Have this process, and all it starts and prints, go by an address or a variable.

    Returns the name of the variable to go by. Raises `UsageError` for both, for a variable that
    is not set, and for what can not be read.
    """
    if address and variable:
        raise UsageError(f"{DATABASE_URL} and {DSN_ENV_OPTION} both say which database: give one.")
    if address:
        check_dsn(address, DATABASE_URL)
        os.environ[DSN_ENV] = address
        remember_option(DATABASE_URL, without_password(address))
        return DSN_ENV
    name = variable or DSN_ENV
    os.environ[DSN_ENV] = dsn = dsn_of(name)
    check_dsn(dsn, name)
    remember_variable(name)
    return name
