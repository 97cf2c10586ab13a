"""A market made up from a seed, in the frames of its venues."""
