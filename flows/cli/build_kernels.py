"""Build the library of kernels: numba compiles, the C compiler of the machine links.

    python -m tapeflow.flows.cli.build_kernels [--force] [--to FILE]

    each @compiled function of the rooms ─▶ numba ─▶ object code ─┐
    the handler of fatal signals         ─▶ LLVM  ─▶ object code ─┼─▶ cc -shared ─▶ kernels.so
    what the library holds, as a string  ───────────▶ object code ─┘

`make setup` runs it, and so does the build of a wheel. Where there is no C compiler, `make setup`
has the kernels compiled into numba's cache instead, and the wheel holds no library.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tapeflow
from tapeflow.engine import kernel_library as library
from tapeflow.engine.compiled import HAS_NUMBA, called_functions, declared_kernels
from tapeflow.engine.fingerprint import fingerprint
from tapeflow.engine.kernel_types import KernelError, signature_of

ROOMS = ("connectors", "operators")
LINKED = ("-shared", "-s", "-lm", "-Wl,--no-undefined")
if sys.platform == "darwin":  # its linker knows no such option: undefined symbols fail anyway
    LINKED = ("-shared", "-lm")
OBJECTS = library.PATH.parent / "__pycache__" / "kernels"  # of the kernels as they are now
NO_COMPILER = "no library of kernels: numba, which compiles it, is missing: pip install numba"
NO_LINKER = "no library of kernels: no C compiler (cc) links it; numba compiles them when they run"


def main(arguments: list[str] | None = None) -> int:
    """Build the library if the sources have changed; return an exit code."""
    parser = argparse.ArgumentParser(description="Build the library of kernels.")
    parser.add_argument("--force", action="store_true", help="also if it is up to date")
    parser.add_argument("--to", type=Path, metavar="FILE", default=library.PATH)
    options = parser.parse_args(arguments)
    kernels = {library.name_of(each): each for each in kernels_of_rooms()}
    fingerprints = {name: fingerprint(each) for name, each in kernels.items()}
    held = {name: entry["fingerprint"] for name, entry in library.open_library()[1].items()}
    if held == fingerprints and not options.force and options.to == library.PATH:
        return 0
    if options.force:
        shutil.rmtree(OBJECTS, ignore_errors=True)
    if not HAS_NUMBA:
        print(NO_COMPILER, file=sys.stderr)
        return 1
    linker = find_linker()
    if linker is None:
        print(NO_LINKER, file=sys.stderr)
        if options.to == library.PATH:
            fill_cache(kernels)
        return 0
    try:
        build(kernels, fingerprints, linker, options.to)
    except (KernelError, subprocess.CalledProcessError) as error:
        print(f"no library of kernels: {error}", file=sys.stderr)
        return 1
    print(f"{options.to.name}: {len(kernels)} kernels, {options.to.stat().st_size:,} bytes")
    return 0


def find_linker() -> str | None:
    """Return the path of the machine's C compiler, `cc`; None where it has none."""
    return shutil.which("cc")


def kernels_of_rooms() -> list[Callable[..., Any]]:
    """Import the modules that have kernels; return those that declare their types."""
    package = Path(tapeflow.__file__).parent
    for room in ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            if "\n@compiled\n" in path.read_text():
                names = path.relative_to(package).with_suffix("").parts
                importlib.import_module(".".join(("tapeflow", *names)))
    ours = [each for each in declared_kernels() if each.__module__.startswith("tapeflow.")]
    return [each for each in ours if signature_of(each) is not None]


def build(
    kernels: dict[str, Callable[..., Any]], fingerprints: dict[str, str], linker: str, target: Path
) -> None:
    """Compile and link all kernels, and put the library in its place."""
    from tapeflow.engine import kernel_code  # late: numba takes its time
    from tapeflow.engine.fatal_handler import CODE

    kernel_code.build_for_any_processor()
    contents = {
        name: {"symbol": library.PREFIX + name.replace(".", "_"), "fingerprint": fingerprints[name]}
        for name in kernels
    }
    modules = [kernel_code.contents_code(library.CONTENTS, json.dumps(contents)), CODE]
    codes = [kernel_code.object_code(each) for each in modules]
    codes += object_codes(kernels, contents)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        objects = [Path(folder, f"{number}.o") for number in range(len(codes))]
        for path, code in zip(objects, codes, strict=True):
            path.write_bytes(code)
        linked = Path(folder, target.name)
        subprocess.run([linker, *objects, *LINKED, "-o", linked], check=True)
        linked.replace(target)


def object_codes(
    kernels: dict[str, Callable[..., Any]], contents: dict[str, dict[str, str]]
) -> list[bytes]:
    """Return the object code of each kernel; those that did not change are not compiled again."""
    import numba  # late: it takes its time

    OBJECTS.mkdir(parents=True, exist_ok=True)
    paths = {
        name: OBJECTS / f"{each['symbol']}-{each['fingerprint']}-{numba.__version__}.o"
        for name, each in contents.items()
    }
    changed = {name: kernel for name, kernel in kernels.items() if not paths[name].exists()}
    symbols = {name: each["symbol"] for name, each in contents.items()}
    for name, code in zip(changed, compile_kernels(changed, symbols), strict=True):
        paths[name].write_bytes(code)
    for path in {*OBJECTS.iterdir()} - {*paths.values()}:
        path.unlink()
    return [path.read_bytes() for path in paths.values()]


def compile_kernels(kernels: dict[str, Callable[..., Any]], symbols: dict[str, str]) -> list[bytes]:
    """Return the object code of each kernel, compiled by as many processes as there are cores."""
    cores = os.cpu_count() or 1
    if len(kernels) < cores or "fork" not in multiprocessing.get_all_start_methods():
        return [compile_one(name, kernel, symbols[name]) for name, kernel in kernels.items()]
    with multiprocessing.get_context("fork").Pool(cores, _share, (kernels, symbols)) as pool:
        return pool.map(_compile_shared, kernels, chunksize=1)


def compile_one(name: str, kernel: Callable[..., Any], symbol: str) -> bytes:
    """Return the object code of a kernel."""
    from tapeflow.engine import kernel_code  # late: numba takes its time

    return kernel_code.object_code(kernel_code.compile_kernel(name, kernel, symbol))


_shared: list[dict[str, Any]] = []  # in a process that compiles: the kernels, their symbols


def _share(*found: dict[str, Any]) -> None:
    _shared.extend(found)


def _compile_shared(name: str) -> bytes:
    kernels, symbols = _shared
    return compile_one(name, kernels[name], symbols[name])


def fill_cache(kernels: dict[str, Callable[..., Any]]) -> None:
    """Compile all kernels into numba's cache, for the types that they declare."""
    from tapeflow.engine import jit, kernel_shim  # late: numba takes its time

    jit.register_called(called_functions)
    for kernel in kernels.values():
        dispatcher: Any = jit.dispatcher_of(kernel, cached=True)[0]
        dispatcher.compile(kernel_shim.argument_types(kernel))


if __name__ == "__main__":
    sys.exit(main())
