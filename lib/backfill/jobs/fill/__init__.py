"""The fill task: values that somebody has, written to rows of any table."""
