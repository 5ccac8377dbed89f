"""Connection strings: what may be said of them, and what never is.

A URL that can not be read without doubt is never echoed, not in parts: an unescaped `/` or `@` of
a password makes libpq take one half of it for a port, a host or a database's name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from backfill.errors import UnreadableAddress
from backfill.next_command import USUAL_VARIABLE

DSN_ENV = USUAL_VARIABLE
#: Words of libpq that hold a secret.
SECRETS = ("password", "sslpassword", "oauth_client_secret")
HIDDEN = "***"
#: Of an unreadable address, pieces of this length and more are kept out of every message.
_LEAST_PIECE = 3

_SCHEME = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
#: Of Prisma, JDBC, Node, Rails, Django and pools of connections: words that are no part of a
#: password.
_OTHERS_PARAMETERS = re.compile(
    r"[?&](schema|pgbouncer|connection_limit|pool_timeout|sslaccept|currentSchema|ssl|charset"
    r"|prepareThreshold|statement_cache_size|serverVersion|pool|pool_size|conn_max_age|encoding"
    r"|workaround|supa)(?==)"
)
#: SQLAlchemy names its driver so, and JDBC itself: no part of a password.
_OTHERS = re.compile(
    r"jdbc:|postgres(?:ql)?\+(?:psycopg(?:2|2cffi|_async)?|asyncpg|pg8000|aiopg|pygresql):",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*:)[^\s]*@")
_PASSWORD_IN_PAIRS = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)
_PORTS = re.compile(r"\d{0,5}(,\d{0,5})*")


def parts_of(dsn: str) -> dict[str, str] | None:
    """Return what libpq reads in a connection string, None when that is in doubt or unreadable."""
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except (psycopg.Error, UnicodeError):
        return None
    scheme = _SCHEME.match(dsn)
    if scheme and _is_doubtful(dsn[scheme.end() :]):
        return None
    return parts if _PORTS.fullmatch(parts.get("port", "")) else None


def _is_doubtful(rest: str) -> bool:
    """Whether the part behind `://` may be read in several ways: `@` belongs before the host."""
    address, _question, _options = rest.partition("?")
    authority, _slash, database = address.partition("/")
    return authority.count("@") > 1 or "@" in database


def describe(dsn: str) -> str:
    """Return host, port and database of a connection string: never user secrets."""
    parts = parts_of(dsn)
    if parts is None:
        return "a connection string that libpq can not read"
    if parts.get("service"):
        return f"service={parts['service']}"
    hosts = (parts.get("host") or parts.get("hostaddr") or "").split(",")
    ports = (parts.get("port") or "").split(",")
    if len(ports) == 1:  # one for all
        ports *= len(hosts)
    at = ", ".join(
        f"{host or 'the local socket'}{port and ':'}{port}"
        for host, port in zip(hosts, ports, strict=False)
    )
    return f"database {parts.get('dbname') or parts.get('user') or '(default)'} at {at}"


def check_dsn(dsn: str, where: str = DSN_ENV) -> None:
    """Raise `UnreadableAddress` unless the connection string can be read, and in one way only.

    `where` it stands: a variable, or an option.
    """
    if parts_of(dsn) is None:
        raise UnreadableAddress(
            f"{where} is not a connection string that libpq understands "
            "(postgresql://user@host/database, or service=NAME). It is not shown, since it may "
            "hold a password: in a URL write its special characters as %40 (@), %2F (/), %3A (:), "
            f"%25 (%), %23 (#), %3F (?), %26 (&), %20 (a blank).{_habit(dsn)}"
        )


def _habit(dsn: str) -> str:
    """Return what to leave out of a connection string that is another program's."""
    if dsn[:1] in ("'", '"') and dsn[:1] == dsn[-1:]:
        return " It stands in quotes that a shell would have taken off: leave them out."
    if dsn.startswith("\ufeff"):
        return " It begins with a mark of its encoding (BOM): leave that out."
    if others := _OTHERS.match(dsn):
        return f" {others[0]} is of another library: begin it with postgresql://."
    if named := _OTHERS_PARAMETERS.findall(dsn):
        return f" libpq has no parameter {', '.join(named)}: leave that out."
    return ""


def without_password(dsn: str) -> str:
    """Return a connection string that names the same database and holds no secret.

    Empty for one that can not be read.
    """
    parts = parts_of(dsn)
    if parts is None:
        return ""
    if not any(parts.get(name) for name in SECRETS):
        return dsn
    return make_conninfo("", **{n: v for n, v in parts.items() if n not in SECRETS})


def password_of(dsn: str) -> str | None:
    """Return the live password, for scanning files: never print it."""
    parts = parts_of(dsn) or {}
    password = parts.get("password") or os.environ.get("PGPASSWORD")
    return password if password and _is_secret(password, parts) else None


def _is_secret(value: str, parts: Mapping[str, str]) -> bool:
    """Whether hiding a word hides anything: `postgres:postgres@…` is said by each user's name."""
    return value not in (seen for name, seen in parts.items() if name not in SECRETS)


def said_of(error: Exception) -> str:
    """Return what an error says, without the secrets of the database that this process goes by."""
    if isinstance(error, UnreadableAddress):
        return str(error)
    return redact(str(error), os.environ.get(DSN_ENV, ""))


def redact(text: str, dsn: str = "") -> str:
    """Return `text` with every password in it replaced, as it is and as a URL writes it."""
    for secret in sorted(_secrets(dsn), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", text)
    return _PASSWORD_IN_PAIRS.sub(rf"\1{HIDDEN}", text)


def _secrets(dsn: str) -> Iterator[str]:
    """Yield what no message may hold: the password in each way of writing it.

    Of a string that can not be read, every piece that may be a part of one.
    """
    if not dsn:
        return
    parts = parts_of(dsn)
    if parts is None:
        yield dsn
        behind = dsn.partition("://")[2] or dsn
        yield from (
            piece for piece in re.split(r"[/@:?#&=\s]", behind) if len(piece) >= _LEAST_PIECE
        )
        return
    secrets = [parts.get(name) for name in SECRETS] + [password_of(dsn)]
    for value in (value for value in secrets if value and _is_secret(value, parts)):
        yield from {value, quote(value), quote(value, safe=""), unquote(value)}
