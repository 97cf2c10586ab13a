"""What pytest should not import: switches for other processes."""

collect_ignore = ["tests/faults/sitecustomize.py", "tests/without_numba/sitecustomize.py"]
