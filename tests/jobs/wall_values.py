"""Wall times and instants as both encodings of the demo hold them."""

from __future__ import annotations

import datetime as dt

from backfill_lab.demo.events import Encoding, parse_wall

Value = int | dt.datetime | None


def encoded_wall(text: str, encoding: Encoding) -> int | str:
    return parse_wall(text) // 1000 if encoding == "epoch_ms" else text


def encoded_instant(text: str | None, encoding: Encoding) -> Value:
    if text is None:
        return None
    if encoding == "epoch_ms":
        return parse_wall(text) // 1000
    return dt.datetime.fromisoformat(f"{text}+00:00")
