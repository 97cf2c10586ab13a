"""The compiled reader of lines, imported when the first tape is read: numba is slow to import."""

from collections.abc import Callable
from functools import cache

from tapeflow.engine.prepare import call_early


@call_early
@cache
def load_line_kernel() -> Callable[..., tuple[int, int]] | None:
    """Return the compiled reader of lines; None where numba is not installed."""
    try:
        from tapeflow.connectors.tapes import line_kernel  # noqa: PLC0415  # see above
    except ImportError:
        return None
    return line_kernel.split
