"""What travels between table, plan and image: columns, keys, packed values. No database."""
