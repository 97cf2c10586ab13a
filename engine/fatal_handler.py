"""The machine code that handles a fatal signal: after one no Python may run.

    signal number ──▶ its line, in `tapeflow_fatal_lines` ──▶ write(terminal) ──▶ _exit(1)

Two threads may fail at once: the first one reports, the other waits for the end of the process.

It is part of the library of kernels; without that library llvmlite, which comes with numba,
compiles it.
"""

import ctypes
from functools import cache
from typing import Any

from tapeflow.engine.compiled import HAS_NUMBA
from tapeflow.engine.kernel_library import open_library
from tapeflow.engine.prepare import call_early

LINE_BYTES = 512
HANDLER, LINES, TERMINAL = "tapeflow_fatal", "tapeflow_fatal_lines", "tapeflow_fatal_terminal"
REPORTING = "tapeflow_fatal_reporting"  # 1 once a thread reports
CODE = f"""
@{LINES} = global ptr null
@{TERMINAL} = global i32 2
@{REPORTING} = global i32 0
declare i64 @write(i32, ptr, i64)
declare i64 @strlen(ptr)
declare i32 @pause()
declare void @_exit(i32)
define void @{HANDLER}(i32 %number) {{
  %before = atomicrmw xchg ptr @{REPORTING}, i32 1 seq_cst
  %second = icmp ne i32 %before, 0
  br i1 %second, label %wait, label %report
wait:
  %woken = call i32 @pause()
  br label %wait
report:
  %lines = load ptr, ptr @{LINES}
  %terminal = load i32, ptr @{TERMINAL}
  %wide = zext i32 %number to i64
  %offset = mul i64 %wide, {LINE_BYTES}
  %line = getelementptr i8, ptr %lines, i64 %offset
  %size = call i64 @strlen(ptr %line)
  %written = call i64 @write(i32 %terminal, ptr %line, i64 %size)
  call void @_exit(i32 1)
  unreachable
}}
"""
_retained: list[Any] = []  # lines and code: the process refers to them until it ends


def handler_of(lines: Any, terminal: int) -> int | None:
    """Return the address of a handler that writes these lines, by signal number, to a descriptor.

    None where there is neither the library nor llvmlite.
    """
    found = addresses()
    if found is None:
        return None
    handler, lines_at, terminal_at = found
    ctypes.c_void_p.from_address(lines_at).value = ctypes.addressof(lines)
    ctypes.c_int.from_address(terminal_at).value = terminal
    _retained.append(lines)
    return handler


@call_early
@cache
def addresses() -> tuple[int, int, int] | None:
    """Return where the handler, the address of its lines, and its descriptor are."""
    library = open_library()[0]
    if library is not None:
        handler = ctypes.cast(getattr(library, HANDLER), ctypes.c_void_p).value
        lines, terminal = (ctypes.c_char.in_dll(library, name) for name in (LINES, TERMINAL))
        return handler or 0, ctypes.addressof(lines), ctypes.addressof(terminal)
    if not HAS_NUMBA:
        return None
    import llvmlite.binding as llvm  # noqa: PLC0415  # slow to import

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(CODE), machine)
    engine.finalize_object()
    _retained.append(engine)
    return (
        engine.get_function_address(HANDLER),
        engine.get_global_value_address(LINES),
        engine.get_global_value_address(TERMINAL),
    )
