"""What the rung without numba rests on: views of arrays, and a quick reader of JSON."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import DecodeError

from tapeflow.engine.plain import with_views
from tapeflow.operators.decode.messages import MalformedError, read_exactly, read_quickly

ROW = np.dtype([("n", np.int64), ("x", np.float64)])
PIECES = st.sampled_from(
    ['{"a":', "}", "[", "]", ",", ":", '"a"', '"\\u0061"', '"\\ud800"', '"é"', "1", "-0", "0.1", "1e400",
     "9223372036854775808", "18446744073709551616", "NaN", "null", "true", " ", "\x01", '"p":"1.5"']
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_the_quick_reader_of_json_reads_the_exact_one_reads_alike(text):
    try:
        read = repr(read_quickly(text.encode()))
    except (DecodeError, ValueError, RecursionError):
        return
    assert read == repr(read_exactly(text.encode()))


def test_what_the_quick_reader_refuses_is_left_to_the_exact_one():
    with pytest.raises(MalformedError, match="not one complete JSON value"):
        read_exactly(b"{")
    assert read_exactly(b'"\\ud800"') == "\ud800"


def test_rows_that_a_kernel_copies_are_no_longer_one_and_views_follow_their_row():
    def kernel(rows, counts, table):
        held = rows[2]
        rows[1] = rows[0]
        rows[1]["n"] += 5
        rows[2] = rows[1]
        counts[0], table[1, 0] = held["n"], rows[1]["x"]
        return len(rows)

    rows = np.array([(1, 0.5), (2, 1.5), (3, 2.5)], ROW)
    as_views = rows.copy(), np.zeros(1, np.int64), np.zeros((2, 2))
    as_arrays = rows.copy(), np.zeros(1, np.int64), np.zeros((2, 2))
    assert with_views(kernel)(*as_views) == kernel(*as_arrays) == 3
    for view, array in zip(as_views, as_arrays, strict=True):
        np.testing.assert_array_equal(view, array)
    assert as_views[0].tolist() == [(1, 0.5), (6, 0.5), (6, 0.5)]


def test_an_integer_beyond_64_bits_is_refused_and_does_not_wrap():
    def kernel(numbers):
        numbers[0] = numbers[0] + 1

    with pytest.raises((OverflowError, ValueError)):
        with_views(kernel)(np.array([2**63 - 1]))
