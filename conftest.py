"""What pytest should not import: switches for other processes, and strategies that are wrong."""

collect_ignore = ["tests/faults/sitecustomize.py", "tests/without_numba/sitecustomize.py"]
collect_ignore_glob = ["tests/strategies/bad/*"]
