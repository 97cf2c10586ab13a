"""One run of a flow: its plan, log, engine and processes."""
