"""The names that roles have unless a person says others: who plans, applies, looks, stops."""

from __future__ import annotations

PLANNER = "backfill_planner"
APPLIER = "backfill_applier"
READER = "backfill_reader"
OPERATOR = "backfill_operator"
