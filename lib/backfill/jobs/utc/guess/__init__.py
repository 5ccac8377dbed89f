"""A first specification of a table, guessed from names and samples, each guess with its reason."""
