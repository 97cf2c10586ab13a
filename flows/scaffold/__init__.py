"""The files of a new job: what `tapeflow init` writes, and what it learns from a log for it."""
