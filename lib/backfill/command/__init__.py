"""One module for each kind of command; `cli` is the door."""
