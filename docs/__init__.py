"""Documents, and the tool that renews the outputs they show."""
