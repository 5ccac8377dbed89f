"""Every command that a message prints is pasted and run by a test: tests/README.md says how.

Who renames or moves a function that prints one gives the test's marker its new name.
"""

from __future__ import annotations

from tests.call_sites import all_sites, claimed_sites


def test_the_command_of_every_call_of_the_renderer_is_pasted_and_run_by_a_test() -> None:
    unpasted = {site.name for site in all_sites()} - set(claimed_sites())

    assert unpasted == set()


def test_no_test_claims_a_call_that_is_not_there() -> None:
    assert set(claimed_sites()) - {site.name for site in all_sites()} == set()
