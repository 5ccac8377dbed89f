"""How long tests wait for what must come: a hung machine fails, a busy one does not."""

from __future__ import annotations

from typing import Final

DEADLINE_SECONDS: Final = 300.0
