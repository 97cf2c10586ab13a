"""Data quality and metrics of each partition: counts by minute of log time."""
