"""Results in a notebook: relations of DuckDB, and the charts of the report."""
