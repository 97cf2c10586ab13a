"""Facts into one DuckDB file, and questions to it."""
