"""What the database remembers of runs: ledger, leases, parts, ranges."""
