"""The types of the loop's arguments, in `kernel.py`."""

from typing import Annotated

from tapeflow.operators.sequence.layout import BREAK, RANGE, SEEN, Rows
from tapeflow.schemas.columns import WRITTEN, Floats, Ints, Written

Seen = Annotated[Rows, SEEN, WRITTEN]  # (instruments,)
Ranges = Annotated[Rows, RANGE, 2, WRITTEN]  # (instruments, RANGES_MAX)
BreakRows = Annotated[Rows, BREAK, WRITTEN]
# offset, instrument, event time, id, verdict (updated), price, size; each (trades,)
TradeColumns = tuple[Ints, Ints, Ints, Ints, Written[Ints], Floats, Floats]
