"""From pending rows to a frozen plan: extract, staging, questions, the plan file."""
