"""What pytest should not import: kernels that need numba, and are only used with it."""

from tapeflow.engine.compiled import COMPILED

collect_ignore = (
    []
    if COMPILED
    else ["tapeflow/connectors/tapes/line_kernel.py", "tapeflow/operators/decode/kernel.py"]
)
