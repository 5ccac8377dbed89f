"""PostgreSQL: connections, catalog, the tables it holds, the embedded server."""
