"""Measurements and the reference job, one command each."""
