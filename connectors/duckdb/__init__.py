"""Facts in one DuckDB file, and queries of it."""
