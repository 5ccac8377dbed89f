"""The jobs that ship, each a value that the engine can run."""
