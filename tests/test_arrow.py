"""Arrays of numpy as Arrow: what `pyarrow.array` makes of them, without what it imports for it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.schemas.arrow import ARROW_OF, to_array

NUMBERS = st.lists(st.integers(0, 255), max_size=40)


@pytest.mark.parametrize("dtype", [*ARROW_OF], ids=str)
@given(numbers=NUMBERS, step=st.sampled_from([1, 2, -1]))
def test_an_array_is_what_pyarrow_makes_of_it(dtype, numbers, step):
    values = np.array(numbers, np.int64).astype(dtype)[::step]
    found = to_array(values)
    found.validate(full=True)
    assert found.equals(pa.array(values))
    assert found.null_count == 0


def test_nan_is_a_value_and_times_are_whole_nanoseconds():
    assert to_array(np.array([np.nan, 1.5])).to_pylist()[1:] == [1.5]
    assert to_array(np.array([np.nan])).null_count == 0
    time_ns = 1_767_603_600_123_456_789
    found = to_array(np.array([time_ns]), pa.timestamp("ns"))
    assert (found.type, found.cast(pa.int64()).to_pylist()) == (pa.timestamp("ns"), [time_ns])
