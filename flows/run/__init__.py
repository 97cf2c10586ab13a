"""One run of a flow: plan, log, engine, processes."""
