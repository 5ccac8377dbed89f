"""The guided tour of `00_start_here`: a dry run of the UTC job on one household of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backfill.parameters import UTC_PARAMETERS, Kind, Parameter, check_parameters, injected_names
from backfill.workbook import Book

TOUR_PARAMETERS = (Parameter("household_id", Kind.TEXTS, "hh_demo", "the household of the tour"),)


def begin(namespace: Mapping[str, Any]) -> Book:
    """Check the tour's parameter and open a dry run."""
    given = check_parameters(TOUR_PARAMETERS, namespace, injected_names(namespace.get("In", [])))
    return Book("utc", {parameter.name: parameter.default for parameter in UTC_PARAMETERS} | given)
