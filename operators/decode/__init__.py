"""Raw frames become columns of ticks, or dead letters with a reason."""
