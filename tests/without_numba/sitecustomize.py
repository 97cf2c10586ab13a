"""On PYTHONPATH it hides numba from Python, as where it is not installed."""

import sys

sys.modules["numba"] = None  # type: ignore[assignment]
