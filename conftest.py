"""What pytest should not import: kernels that need numba, and are only used with it."""

from operators.compiled import COMPILED

collect_ignore = [] if COMPILED else ["connectors/line_kernel.py", "operators/scan_kernel.py"]
