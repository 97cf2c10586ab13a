"""Partitions of the log in files."""
