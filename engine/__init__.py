"""What do we know of Bytewax? Its folds, threads, lost errors, routing and recovery."""
