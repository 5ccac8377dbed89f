"""The UTC job: fill missing `*_utc` columns from wall-clock time and time zone."""
