"""The report: one self-contained HTML page of a run, made of queries of its results."""
