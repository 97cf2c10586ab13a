"""Fails while it is read."""

raise LookupError("a model is missing")  # here
