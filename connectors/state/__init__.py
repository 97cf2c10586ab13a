"""State directories: what a run needs to resume."""
