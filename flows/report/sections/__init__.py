"""The sections of the report, one a file: each queries the results and returns its HTML."""
