"""Invented shifts for the tests of the schedule: from vectors, by hand and by Hypothesis."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from backfill.ocr.identity import customer_fingerprint, location_fingerprint
from backfill.ocr.shift import Shift


def make_shift(fields: Mapping[str, str] | None = None, **more: str) -> Shift:
    """Return a shift with the fingerprints that its fields have."""
    values = {"start": "08:00", "end": "10:00", **(fields or {}), **more}
    shift = Shift(**values)
    return Shift(
        **{
            **shift.as_json(),
            "customer_fingerprint": customer_fingerprint(
                shift.customer_name, shift.raw_type_label, shift.shift_type
            ),
            "location_fingerprint": location_fingerprint(
                shift.street, shift.street_number, shift.postal_area, shift.city
            ),
        }
    )


def make_visit(start: str, end: str, client: str, place: str, **more: str) -> Shift:
    """Return a visit; `place` is written "Street/No/Town"."""
    street, number, city = place.split("/")
    return make_shift(
        {
            "start": start,
            "end": end,
            "customer_name": client,
            "street": street,
            "street_number": number,
            "city": city,
            "shift_type": "WORK",
            "raw_type_label": "Städservice",
            **more,
        }
    )


@st.composite
def shifts(draw: st.DrawFn) -> Shift:
    """Visits and activities; one label for each type, so that no change is of the label alone."""
    start = draw(st.sampled_from(["07:00", "08:00", "09:30", "12:00", "23:00"]))
    end = draw(st.sampled_from(["00:30", "10:00", "12:30", "16:00"]))
    kind, label = draw(st.sampled_from([("WORK", "Städservice"), ("TRAINING", "Utbildning")]))
    client = draw(st.sampled_from(["Anna Berg", "Bo Ek", "Cia Alm-Holm"]))
    place = draw(st.sampled_from(["Ekvägen/3/Askim", "Storgatan/1/Lerum", "Parkgatan/2/Onsala"]))
    if draw(st.integers(0, 3)) == 0:
        kind, label = draw(st.sampled_from([("BREAK", "Lunch"), ("TRAVEL", "Restid")]))
        return make_shift(start=start, end=end, shift_type=kind, raw_type_label=label)
    return make_visit(start, end, client, place, shift_type=kind, raw_type_label=label)
