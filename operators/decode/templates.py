"""Templates: a frame of a channel without its values, along which template_kernel.py reads others.

    frame      {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259, ..
    template   {"e":"trade","E":<  integer  >,"s":"<symbol>","t":< integer>, ..

A template is made of one frame that was read along its plan, so the dialect alone says what is read
and how. It is exact: a frame with the same literals is the same walk through the same tables, and
its values are read as there. The text of a field that has no other choice belongs to the literal.
No template is made of a channel with rows in arrays.
"""

import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any, NamedTuple

import numpy as np

from tapeflow.operators.decode import layout
from tapeflow.operators.decode.expected_values import expect
from tapeflow.operators.decode.key_tables import masked_words
from tapeflow.operators.decode.table_rows import TableRows
from tapeflow.operators.decode.template_layout import (
    ANYTHING,
    BOOLEAN,
    CHOICE,
    DECIMAL,
    FILL_COUNT,
    FILLS_AT,
    FILLS_MAX,
    INTEGER,
    LITERAL_MAX,
    NOTHING,
    PART_COUNT,
    PART_WORDS,
    PARTS_AT,
    PARTS_MAX,
    PLAN_AT,
    RFC3339,
    ROW_COUNT,
    SYMBOL,
    TEMPLATE_WORDS,
    TEXT,
    TIME_IN_MS,
)  # fmt: skip
from tapeflow.schemas.columns import Ints

SPACE = r"[ \t\r\n]*"
KEY = re.compile(rf'{SPACE}"([^"]*)"{SPACE}:{SPACE}')
NEXT = re.compile(rf"{SPACE}([,}}])")
EMPTY = re.compile(rf"{SPACE}}}")
find_end = JSONDecoder().raw_decode  # of a value
IN_QUOTES = {  # how a value is read, by the action of its entry
    layout.IS_DECIMAL: DECIMAL,
    layout.IS_DECIMAL_OR_NONE: DECIMAL,
    layout.IS_SIGNED_OR_NONE: DECIMAL,
    layout.IS_SYMBOL: SYMBOL,
    layout.IS_INTEGER_TEXT: INTEGER,
    layout.IS_RFC3339: RFC3339,
    layout.SKIP: TEXT,
}
BARE = {
    layout.IS_INTEGER: INTEGER,
    layout.IS_EPOCH: TIME_IN_MS,
    layout.IS_EPOCH_OR_NONE: TIME_IN_MS,
    layout.IS_MILLIS: TIME_IN_MS,
    layout.IS_BOOLEAN: BOOLEAN,
    layout.SKIP: ANYTHING,
}
SKIPPED = (("true|false", BOOLEAN), ("0|[1-9][0-9]{0,17}", INTEGER))  # faster than ANYTHING


class NoTemplateError(Exception):
    """Of this frame no template can be made."""


class Value(NamedTuple):
    """A value of the sample: where it is, how it is read, and into which column."""

    start: int
    end: int
    kind: int
    column: int = layout.UNUSED
    a: int = 0  # VALUE_A


def make_template(tables: TableRows, plan: int, frame: bytes) -> Ints | None:
    """Return the template of a frame that was read along this plan; None where it has none."""
    try:
        sample = Sample(tables, frame.decode("ascii"))
        sample.read_object(re.match(SPACE, sample.text).end(), int(tables.plans[plan, layout.ROOT]))  # type: ignore[union-attr]
        return sample.to_template(tables.plans.ctypes.data + plan * layout.PLAN_WORDS * 8)
    except (NoTemplateError, UnicodeDecodeError, JSONDecodeError):
        return None


class Sample:
    """A frame while it is walked along the tables, and what was found in it so far."""

    def __init__(self, tables: TableRows, text: str) -> None:
        self.tables, self.text = tables, text
        self.values: list[Value] = []
        self.defaults: dict[int, int] = {}  # of the columns of its row
        self.rows = 0

    def read_object(self, at: int, number: int) -> int:
        """Walk the object that begins here along a node; return where it ends."""
        node = self.tables.nodes[number]
        entries = {
            self.tables.entries[each, :3].tobytes().rstrip(b"\0").decode(): each
            for each in range(node[layout.ENTRIES], node[layout.ENTRIES_END])
        }
        if node[layout.IS_ROW]:
            self.rows += 1
            self.defaults |= dict(
                self.tables.fills[node[layout.FILLS] : node[layout.FILLS_END]].tolist()
            )
        if end := EMPTY.match(self.text, at + 1):
            return end.end()
        separator = ","
        while separator == ",":
            key = KEY.match(self.text, at + 1)
            if self.text[at] not in "{," or key is None:
                raise NoTemplateError
            at = self.read_value(key.end(), entries.get(key[1], node[layout.ENTRIES_END]))
            after = NEXT.match(self.text, at)
            if after is None:
                raise NoTemplateError
            at, separator = after.start(1), after[1]
        return at + 1

    def read_value(self, at: int, number: int) -> int:
        """Walk a value; `number` is of its entry, that of no key where it is skipped."""
        entry = self.tables.entries[number].tolist()
        action = layout.SKIP if entry[layout.BIT] == 0 else entry[layout.ACTION]
        if action == layout.OBJECT:
            return self.read_object(at, entry[layout.A])
        end = find_end(self.text, at)[1]
        if action == layout.IS_CHOICE:
            is_literal = (
                entry[layout.CHOICES_END] == entry[layout.CHOICES] + 1 and not entry[layout.A]
            )
            if not is_literal or entry[layout.COLUMN] != layout.UNUSED:
                self.values.append(Value(at, end, CHOICE, entry[layout.COLUMN], number))
        elif self.text[at] == '"' and action in IN_QUOTES:
            kind = IN_QUOTES[action]
            self.values.append(Value(at + 1, end - 1, kind, entry[layout.COLUMN], action))
        elif action in BARE:
            self.values.append(self.bare_value(at, end, action, number))
        else:
            raise NoTemplateError
        return end

    def bare_value(self, at: int, end: int, action: int, number: int) -> Value:
        """Return a value without quotes."""
        kind, column = BARE[action], int(self.tables.entries[number, layout.COLUMN])
        if action == layout.SKIP:
            text = self.text[at:end]
            kind = next((each for form, each in SKIPPED if re.fullmatch(form, text)), ANYTHING)
        return Value(at, end, kind, column, number if kind == BOOLEAN else action)

    def to_parts(self) -> Iterator[list[int]]:
        """Yield the words of the parts: the text before each value, and how it is read."""
        at = 0
        for value in (*self.values, Value(len(self.text), len(self.text), NOTHING)):
            literal = self.text[at : value.start]
            while len(literal) > LITERAL_MAX:
                yield [*masked_words(literal[:LITERAL_MAX], 3), LITERAL_MAX, NOTHING, layout.UNUSED]
                literal = literal[LITERAL_MAX:]
            how = [value.kind, value.column, value.a]
            sample = self.text[value.start : value.end]
            yield [*masked_words(literal, 3), len(literal), *how, *expect(value.kind, sample)]
            at = value.end

    def to_template(self, plan: int) -> Ints:
        """Return the words of the template, of a plan at this address."""
        columns = {value.column for value in self.values}
        fills = [pair for pair in self.defaults.items() if pair[0] not in columns]
        parts: list[Any] = list(self.to_parts())
        if len(parts) > PARTS_MAX or len(fills) > FILLS_MAX:
            raise NoTemplateError
        template = np.zeros(TEMPLATE_WORDS, np.int64)
        template[[PLAN_AT, ROW_COUNT, FILL_COUNT, PART_COUNT]] = (
            plan,
            self.rows,
            len(fills),
            len(parts),
        )
        for number, pair in enumerate(fills):
            template[FILLS_AT + 2 * number :][:2] = pair
        for number, part in enumerate(parts):
            template[PARTS_AT + number * PART_WORDS :][: len(part)] = part
        return template
