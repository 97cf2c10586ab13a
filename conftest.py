"""What pytest should not import: switches for other processes, and kernels that need numba."""

from tapeflow.engine.compiled import COMPILED

SWITCHES = ["tests/faults/sitecustomize.py", "tests/without_numba/sitecustomize.py"]
KERNELS = ["tapeflow/connectors/tapes/line_kernel.py", "tapeflow/operators/decode/kernel.py"]

collect_ignore = SWITCHES if COMPILED else [*SWITCHES, *KERNELS]
