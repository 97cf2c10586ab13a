"""Kernels compiled ahead of time: what the library takes, what its builder refuses, one answer."""

import math
import os
import subprocess
import sys
from typing import Annotated, Any

import numpy as np
import pytest

from tapeflow.engine import compiled as kernels
from tapeflow.engine import fingerprint as fingerprints
from tapeflow.engine import kernel_library as library
from tapeflow.engine import rungs
from tapeflow.engine.compiled import FIRST_RUNG, HAS_NUMBA, LIBRARY, compiled
from tapeflow.engine.fingerprint import fingerprint
from tapeflow.engine.kernel_types import Array, KernelError, signature_of
from tapeflow.flows.cli import build_kernels
from tapeflow.operators.dedupe import kernel as dedupe
from tapeflow.schemas.columns import Floats, Ints, Ints2, Written
from tests.running import JOB, REFERENCE, ROOT
from tests.test_without_numba import DIGESTS

needs_builder = pytest.mark.skipif(
    not HAS_NUMBA or build_kernels.find_linker() is None, reason="no numba or no C compiler"
)
needs_library = pytest.mark.skipif(
    bool(library.why_not()), reason=f"the library of kernels is {library.why_not()}"
)
ROW = np.dtype([("a", np.int64), ("b", np.float64)])
OTHER = np.dtype([("b", np.float64), ("a", np.int64)])
LIMIT = 7
MARK_DUPLICATES: Any = dedupe.mark_duplicates


def half(number: int) -> int:
    return number // 2


# --- the types that annotations declare ---------------------------------------------------


def everything(
    ints: Ints, table: Written[Ints2], rows: Annotated[np.ndarray, ROW], both: tuple[Floats, int],
    scale: float, even: bool,
) -> tuple[int, float, bool]:  # fmt: skip
    """A kernel of every kind of argument and result."""
    floats, shift = both
    total = 0.0
    for at in range(len(ints)):
        table[at, 1] = ints[at] + shift
        total += rows[at]["b"] * floats[at] * scale
    return len(ints) + half(LIMIT), total, even


def test_annotations_declare_the_types_of_a_kernel():
    signature = signature_of(everything)
    ints = Array(np.dtype(np.int64))
    assert signature.parameters == {
        "ints": ints,
        "table": Array(np.dtype(np.int64), 2, True),
        "rows": Array(ROW),
        "both": (Array(np.dtype(np.float64)), int),
        "scale": float,
        "even": bool,
    }
    assert (signature.result, signature.is_tuple) == ((int, float, bool), True)


@pytest.mark.parametrize(
    "annotations",
    [
        *({}, {"a": Ints}, {"return": int}, {"a": "Ints", "return": int}),
        *({"a": list, "return": int}, {"a": Ints, "return": Ints}),
        *({"a": Ints, "return": tuple[int, Ints]}, {"a": Ints, "return": str}),
    ],
    ids=str,
)
def test_a_kernel_that_does_not_say_all_its_types_is_left_to_numba(annotations):
    def kernel(a):
        return a

    kernel.__annotations__ = annotations
    assert signature_of(kernel) is None
    assert library.find(kernel) is None


def test_every_kernel_of_the_rooms_declares_its_types():
    declared = build_kernels.kernels_of_rooms()
    ours = [each for each in kernels.declared_kernels() if each.__module__.startswith("tapeflow.")]
    assert len(declared) >= 19
    assert set(ours) == set(declared)


# --- what the library takes ---------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A library of one kernel, as it is called."""
    path = tmp_path_factory.mktemp("library") / "kernels.so"
    name = library.name_of(everything)
    held = {name: fingerprint(everything)}
    kernels.inlined(half)
    build_kernels.build({name: everything}, held, build_kernels.find_linker(), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "PATH", path)
        library.open_library.cache_clear()
        found = library.find(everything)
    library.open_library.cache_clear()
    assert found is not None
    return found


def arguments(**changed):
    given = {
        "ints": np.array([1, 2, 3]),
        "table": np.zeros((3, 2), np.int64),
        "rows": np.array([(1, 0.5), (2, 0.25), (3, 0.125)], ROW),
        "both": (np.array([2.0, 4.0, 8.0]), 10),
        "scale": 0.1,
        "even": True,
    }
    return {**given, **changed}


@needs_builder
def test_the_library_gives_what_the_python_gives_in_every_kind(built):
    ours, python = arguments(), arguments()
    result = built(**ours)
    assert result == everything(**python)
    assert [type(each) for each in result] == [int, float, bool]
    assert ours["table"].tolist() == python["table"].tolist() == [[0, 11], [0, 12], [0, 13]]
    assert built(*ours.values()) == result


def read_only(array):
    array.flags.writeable = False
    return array


class Subclass(np.ndarray):
    """An array that is none of numpy's own type."""


WRONG = {
    "of another dtype": {"ints": np.array([1, 2, 3], np.int32)},
    "of floats": {"ints": np.array([1.0, 2.0, 3.0])},
    "unsigned": {"ints": np.array([1, 2, 3], np.uint64)},
    "of swapped bytes": {"ints": np.array([1, 2, 3], ">i8")},
    "strided": {"ints": np.arange(6)[::2]},
    "of two dimensions": {"ints": np.zeros((3, 1), np.int64)},
    "of one dimension": {"table": np.zeros(6, np.int64)},
    "transposed": {"table": np.zeros((2, 3), np.int64).T},
    "read-only but written": {"table": read_only(np.zeros((3, 2), np.int64))},
    "of other records": {"rows": np.zeros(3, OTHER)},
    "of no records": {"rows": np.zeros(3, "V16")},
    "unaligned": {"ints": np.zeros(25, np.uint8)[1:].view(np.int64)},
    "a list": {"ints": [1, 2, 3]},
    "None": {"ints": None},
    "bytes": {"ints": b"123"},
    "a subclass": {"ints": np.array([1, 2, 3]).view(Subclass)},
    "in a tuple": {"both": (np.array([2, 4, 8]), 10)},
}


@needs_builder
@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_an_argument_of_another_type_is_refused_by_its_number(built, changed):
    (name,) = changed
    number = list(arguments()).index(name) + 1
    with pytest.raises(TypeError, match=f"kernel everything: argument {number} is .*, not a C-con"):
        built(**arguments(**changed))


@needs_builder
def test_a_number_that_is_none_is_refused(built):
    for changed in ({"scale": "1"}, {"both": (np.ones(3), 1.5)}, {"both": (np.ones(3), None)}):
        with pytest.raises(Exception, match=r"wrong type|argument"):
            built(**arguments(**changed))
    with pytest.raises(TypeError):
        built(*arguments().values(), 1)
    with pytest.raises(ValueError, match="unpack"):
        built(**arguments(both=(np.ones(3),)))


@needs_builder
def test_arrays_that_are_only_read_may_be_read_only_or_empty(built):
    assert built(**arguments(ints=read_only(np.array([1, 2, 3])))) == built(**arguments())
    empty = arguments(ints=np.empty(0, np.int64))
    assert built(**empty) == (3, 0.0, True)


@needs_builder
def test_not_a_number_travels_both_ways(built):
    assert math.isnan(built(**arguments(scale=math.nan))[1])


# --- what its builder refuses -------------------------------------------------------------


def raises(a: Ints) -> int:
    if a[0]:
        raise ValueError("no")
    return int(a[1])


def allocates(a: Ints) -> int:
    return int(np.zeros(a[0]).sum())


def keeps_a_list(a: Ints) -> int:
    found = [a[0]]
    return int(found[0])


def unpacks(a: Ints) -> int:
    first, second = a
    return int(first + second)


def writes_what_it_declares_to_read(a: Ints) -> int:
    a[0] = 1
    return 1


REFUSED = {
    raises: "raises",
    unpacks: "raises",
    allocates: "allocates",
    keeps_a_list: "allocates|uses objects",
    writes_what_it_declares_to_read: "Cannot modify readonly array|No implementation of function",
}


@needs_builder
@pytest.mark.parametrize("kernel", REFUSED)
def test_a_kernel_that_breaks_a_rule_is_refused_by_name(kernel):
    from tapeflow.engine.kernel_code import compile_kernel  # noqa: PLC0415

    with pytest.raises(KernelError, match=REFUSED[kernel]) as refused:
        compile_kernel(kernel.__name__, kernel, "refused")
    assert kernel.__name__ in str(refused.value)


def divides(a: Ints, by: int) -> int:
    return int(a[0] // by)


@needs_builder
def test_a_division_by_zero_is_none_of_them():
    from tapeflow.engine.kernel_code import compile_kernel  # noqa: PLC0415

    assert compile_kernel("divides", divides, "divides") is not None


# --- whether it is of these sources -------------------------------------------------------


@needs_library
def test_the_kernels_of_the_rooms_are_taken_from_the_library(monkeypatch):
    monkeypatch.delenv(FIRST_RUNG, raising=False)
    for function in build_kernels.kernels_of_rooms():
        assert kernels.make_kernel(function)[1] == LIBRARY, function


@needs_library
def test_a_kernel_of_other_sources_is_not(monkeypatch):
    function = MARK_DUPLICATES.__wrapped__
    assert library.find(function) is not None
    monkeypatch.setattr(dedupe, "YOUNG", 1)
    assert library.find(function) is None


def test_a_fingerprint_counts_what_a_kernel_calls_and_the_numbers_it_reads(monkeypatch):
    before = fingerprint(everything)
    assert fingerprint(everything) == before
    with monkeypatch.context() as patch:
        patch.setitem(everything.__globals__, "LIMIT", 8)
        assert fingerprint(everything) != before
    with monkeypatch.context() as patch:
        patch.setitem(everything.__globals__, "half", dedupe.hash_of)  # of another file
        assert fingerprint(everything) != before
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "hash_of", lambda path: f"edited {path}")
        assert fingerprint(everything) != before
    with monkeypatch.context() as patch:
        patch.setitem(everything.__annotations__, "scale", int)
        assert fingerprint(everything) != before
    assert fingerprint(everything) == before


def of_a_module(number: int) -> int:
    return number + dedupe.YOUNG


def test_a_fingerprint_counts_the_file_of_a_module_whose_numbers_a_kernel_reads(monkeypatch):
    before, right = fingerprint(of_a_module), fingerprints.hash_of
    monkeypatch.setattr(
        fingerprints, "hash_of", lambda path: right(path) + "edited" * (path == dedupe.__file__)
    )
    assert fingerprint(of_a_module) != before


@pytest.fixture
def reopened():
    library.open_library.cache_clear()
    yield
    library.open_library.cache_clear()


def test_where_arrays_are_laid_out_otherwise_it_is_not_used(monkeypatch, reopened):
    assert library.knows_arrays()
    for place in ("TYPE_AT", "DATA_AT", "DIMENSIONS_AT", "SHAPE_AT", "DTYPE_AT", "FLAGS_AT"):
        with monkeypatch.context() as patch:
            patch.setattr(library, place, 16 if place != "DATA_AT" else 8)
            assert not library.knows_arrays(), place
    monkeypatch.setattr(library, "knows_arrays", lambda: False)
    if library.PATH.exists():
        assert "not laid out as known" in library.why_not()
        assert library.find(MARK_DUPLICATES.__wrapped__) is None


@pytest.mark.parametrize("content", [b"", b"\x7fELF of another machine", b"text"])
def test_a_file_that_is_no_library_is_not_used(monkeypatch, reopened, tmp_path, content):
    path = tmp_path / "kernels.so"
    path.write_bytes(content)
    monkeypatch.setattr(library, "PATH", path)
    assert library.why_not().startswith("cannot be loaded")
    assert compiled(half)(9) == 4


# --- one answer ---------------------------------------------------------------------------


def replay_golden(name, tmp_path, rung):
    results = tmp_path / f"{rung}.duckdb"
    code = (
        "import sys; from tapeflow.flows.cli.main import main\n"
        f"code = main(['replay', {str(REFERENCE / name)!r}, '--config', {str(JOB)!r}, "
        f"'--results', {str(results)!r}])\n"
        "print('numba' in sys.modules); sys.exit(code or main(['digest', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(results)],
        cwd=ROOT, env={**os.environ, FIRST_RUNG: rung}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-2:]


@needs_library
@pytest.mark.parametrize("name", DIGESTS)
def test_a_replay_with_the_library_imports_no_numba_and_gives_the_golden_answer(name, tmp_path):
    assert replay_golden(name, tmp_path, "library") == ["False", DIGESTS[name]]


@pytest.mark.slow
@pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
@pytest.mark.parametrize("rung", ["cache", "memory"])
@pytest.mark.parametrize("name", DIGESTS)
def test_numba_gives_the_golden_answer(name, tmp_path, rung):
    assert replay_golden(name, tmp_path, rung) == ["True", DIGESTS[name]]


@needs_library
def test_kernels_that_changed_since_the_library_was_built_are_named(monkeypatch):
    monkeypatch.delenv(FIRST_RUNG, raising=False)
    build_kernels.kernels_of_rooms()
    assert rungs.stale_kernels() == ""
    name = "tapeflow.operators.dedupe.kernel.mark_duplicates"
    monkeypatch.setattr(kernels, "rungs", lambda: {name: "cache", "pairs.step": "cache"})
    assert rungs.stale_kernels().startswith(f"{name}: changed since the library")
    monkeypatch.setenv(FIRST_RUNG, "cache")
    assert rungs.stale_kernels() == ""
