"""The steps of a run, whatever its job: plan, approve, apply, verify, revert, record."""
