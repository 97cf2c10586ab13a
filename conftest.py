"""What pytest should not import: switches for other processes, and kernels that need numba."""

from tapeflow.engine.compiled import COMPILED

SWITCHES = ["tests/faults/sitecustomize.py", "tests/without_numba/sitecustomize.py"]
KERNELS = [
    "tapeflow/connectors/tapes/line_kernel.py",
    *(
        f"tapeflow/operators/decode/{name}.py"
        for name in ("kernel", "byte_kernel", "template_values", "template_kernel", "page_kernel")
    ),
]

collect_ignore = SWITCHES if COMPILED else [*SWITCHES, *KERNELS]
