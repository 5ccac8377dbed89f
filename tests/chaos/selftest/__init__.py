"""The proof by breaking: what `backfill selftest --chaos` runs, on throw-away data."""
