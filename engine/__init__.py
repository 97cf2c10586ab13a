"""What do we know of Bytewax? Folds, threads, lost errors, routing, recovery; compiled code."""
