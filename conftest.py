"""What pytest should not import: the kernel's own file needs numba, and is only used with it."""

from operators.compiled import COMPILED

collect_ignore = [] if COMPILED else ["operators/scan_kernel.py"]
