"""Machine code of a kernel, ahead of time: numba compiles it, behind a function of C.

    kernel, shim (kernel_shim.py) ─▶ numba ─▶ LLVM ─┐
                               a function of C ─────┴▶ does it allocate, or raise? ─▶ object code

Importing this module imports numba.
"""

# What of numba is called here has no types, and its options are made by a metaclass:
# mypy: disable-error-code="no-untyped-call,assignment,misc,attr-defined,untyped-decorator"

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, njit
from numba.core import compiler, types
from numba.core.registry import cpu_target

from tapeflow.engine import jit
from tapeflow.engine.compiled import called_functions
from tapeflow.engine.kernel_shim import shim_of
from tapeflow.engine.kernel_types import KernelError, flat, signature_of

RAISES = "kernel_raises"  # called where a kernel ends with an error: in none, once optimised
REFUSED = {RAISES: "raises", "NRT_": "allocates", "numba_": "uses objects", "Py": "uses objects"}


def build_for_any_processor() -> None:
    """Have numba compile for any processor of the architecture, in this process."""
    config.CPU_NAME, config.CPU_FEATURES = "generic", ""


def compile_kernel(name: str, kernel: Callable[..., Any], symbol: str) -> Any:
    """Compile a kernel behind a function of C; return its module, with that one function.

    Raises KernelError for a kernel that allocates or raises.
    """
    signature = signature_of(kernel)
    assert signature is not None
    jit.register_called(called_functions)
    inputs = [each for kind in signature.parameters.values() for each in flat(kind)]
    numbers = [types.float64 if each is float else types.int64 for each in inputs]
    parameters = [types.int64, *numbers, *([types.int64] if signature.result else [])]
    shim = shim_of(njit(**jit.OPTIONS)(kernel), signature)
    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.nrt = True
    flags.error_model = "numpy"
    target = cpu_target.typing_context, cpu_target.target_context
    try:
        done = compiler.compile_extra(*target, shim, tuple(parameters), types.int64, flags, {})
    except Exception as error:
        raise KernelError(f"{name}: {error}") from error
    return wrap_in_c(done, name, symbol, parameters)


def wrap_in_c(done: Any, name: str, symbol: str, parameters: list[Any]) -> Any:
    """Return the module of a compiled function with a function of C in front of it."""
    kinds = ["double" if each is types.float64 else "i64" for each in parameters]
    taken = ", ".join(f"{kind} %a{n}" for n, kind in enumerate(kinds))
    native = f"@{done.fndesc.llvm_func_name}(ptr %code, ptr %error, {taken})"
    code = f"""
declare void @{RAISES}()
define i64 @{symbol}({taken}) {{
  %code = alloca i64
  %error = alloca ptr
  %status = call i32 {native}
  %fails = icmp ne i32 %status, 0
  br i1 %fails, label %failed, label %done
failed:
  call void @{RAISES}()
  br label %done
done:
  %value = load i64, ptr %code
  ret i64 %value
}}
"""
    module = llvm.parse_assembly(done.library.get_llvm_str() + code)
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name != symbol:
            each.linkage = "internal"
    optimise(module)
    called = [each.name for each in module.functions if each.is_declaration]
    for function in called:
        for prefix, does in REFUSED.items():
            if function.startswith(prefix):
                raise KernelError(f"kernel {name} {does}: its machine code calls {function}")
    return module


def optimise(module: Any) -> None:
    """Inline the one call, and delete what nothing calls."""
    machine = target_machine()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)


def object_code(module: Any) -> bytes:
    """Return the object code of a module, or of LLVM's text."""
    parsed = llvm.parse_assembly(module) if isinstance(module, str) else module
    code: bytes = target_machine().emit_object(parsed)
    return code


def contents_code(symbol: str, text: str) -> str:
    """Return a module, as LLVM's text, that holds a string of C."""
    held = bytearray(text.encode() + b"\0")
    kind = ir.ArrayType(ir.IntType(8), len(held))
    module = ir.Module("contents")
    variable = ir.GlobalVariable(module, kind, symbol)
    variable.global_constant, variable.initializer = True, ir.Constant(kind, held)
    return str(module)


def target_machine() -> Any:
    """Return what makes position-independent code for any processor of the architecture."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(opt=3, reloc="pic", codemodel="default")
