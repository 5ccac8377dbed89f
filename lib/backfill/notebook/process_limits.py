"""What the system lets this process have: made enough where that may be, else told before a run."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from backfill.errors import PreflightError

_INFINITE = resource.RLIM_INFINITY


@dataclass(frozen=True, slots=True)
class _Limit:
    number: int
    least: int  # with which a small run works
    enough: int
    says: str
    mend: str


_LIMITS = (
    _Limit(
        resource.RLIMIT_NOFILE,
        128,
        1024,
        "have {:,} files open at once; a run needs {:,}",
        "ulimit -n 1024",
    ),
    _Limit(
        resource.RLIMIT_AS,
        2_000_000_000,
        4_000_000_000,
        "use {:,} bytes of addresses; a run needs {:,} and more",
        "ulimit -v unlimited",
    ),
)


def widen_limits() -> None:
    """Raise the limits of this process, and of those that it starts, to what a run needs.

    Raises `PreflightError` that names the mend where the system does not let it.
    """
    for limit in _LIMITS:
        soft, hard = resource.getrlimit(limit.number)
        if _is_less(soft, limit.enough):
            soft = hard if _is_less(hard, limit.enough) else limit.enough
            resource.setrlimit(limit.number, (soft, hard))
        if _is_less(soft, limit.least):
            raise PreflightError(
                f"This process may {limit.says.format(soft, limit.least)}. Mend, in the shell or "
                f"service that starts it: {limit.mend}"
            )


def _is_less(limit: int, than: int) -> bool:
    return limit != _INFINITE and (than == _INFINITE or limit < than)
