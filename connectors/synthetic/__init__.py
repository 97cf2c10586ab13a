"""A synthetic market from a seed, in the frames of its venues."""
