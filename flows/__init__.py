"""In what order? Flows, their settings, and the command line."""
