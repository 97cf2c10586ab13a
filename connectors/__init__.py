"""How does it get in and out? Tapes, Kafka, DuckDB; effects live here and nowhere else."""
