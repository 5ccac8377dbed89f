"""How a run keeps out of the way of the application that lives in the same database."""
