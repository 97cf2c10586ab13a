"""Risk: what an order is asked before it is sent, and what is done where a limit is exceeded."""
