"""Tell a user how the kernels of this installation run: on which rung, and why."""

from pathlib import Path

from tapeflow.engine import compiled, kernel_library

BUILD = "python -m tapeflow.flows.cli.build_kernels builds it"
NOT_CACHED = (
    "no folder for compiled code can be written: each process compiles for ten seconds first; "
    "name a folder in NUMBA_CACHE_DIR"
)


def are_compiled() -> bool:
    """Return whether the product's kernels run as machine code."""
    first = compiled.first_rung()
    if first == compiled.LIBRARY and not kernel_library.why_not():
        return True
    return first != compiled.PYTHON and compiled.HAS_NUMBA


def why_slow() -> str:
    """Return why kernels are slow, or slow to start, in this installation; "" where they are not.

    Imports numba only where there is no library.
    """
    first, missing = compiled.first_rung(), kernel_library.why_not()
    if first == compiled.LIBRARY and not missing:
        return ""
    if not are_compiled():
        numba = "not used" if compiled.HAS_NUMBA else "not installed"
        return (
            "kernels run as plain Python: everything works, slower; their library is "
            f"{missing or 'not used'} ({BUILD}), and numba is {numba}"
        )
    return NOT_CACHED if cache_folder() is None else ""


def stale_kernels() -> str:
    """Return what to do about kernels that the library holds of other sources; "" for none.

    Looks at those of the modules imported so far, and makes them.
    """
    if (
        compiled.first_rung() != compiled.LIBRARY
        or kernel_library.why_not()
        or compiled.is_checking()
    ):
        return ""
    stale = [name for name, rung in compiled.rungs().items() if is_stale(name, rung)]
    if not stale:
        return ""
    changed = "changed since the library of kernels was built, so that numba compiles them"
    return f"{', '.join(stale)}: {changed}; {BUILD}"


def is_stale(name: str, rung: str) -> bool:
    """Return whether a kernel of the product is not taken from the library, by name and rung."""
    return name.startswith("tapeflow.") and rung != compiled.LIBRARY


def describe_kernels() -> str:
    """Return which rung the product's kernels run on, for people."""
    first, missing = compiled.first_rung(), kernel_library.why_not()
    held = len(kernel_library.open_library()[1])
    if first == compiled.LIBRARY and not missing:
        return f"{held} kernels compiled ahead of time, in {kernel_library.PATH}"
    if slow := why_slow():
        return slow
    library = f"the library of kernels is {missing or 'not used'}" + f" ({BUILD})" * bool(missing)
    return f"{library}; numba compiles them, and caches machine code in {cache_folder()}"


def cache_folder() -> Path | None:
    """Return numba's folder of machine code for this package; None: in memory only."""
    from tapeflow.engine import jit  # noqa: PLC0415  # late: numba takes its time

    return jit.cache_folder()
