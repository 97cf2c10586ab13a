"""A dialect compiled to plain arrays, which the scanner reads in place of shapes and fields.

    dialect --channel by channel--> plans --each key of an object--> nodes, entries --> ScanTables

A plan fits only frames that its channel matches and no earlier channel does (`guards.py`), so a
frame that fits any plan is read correctly, whichever plan was tried first.

A channel that the tables cannot express is `unscanned`: the strict reader reads it.
"""

from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from tapeflow.operators.decode.guards import (
    Path,
    UnscannableError,
    distinguishes,
    guards,
    require_scannable,
    without_values,
)
from tapeflow.operators.decode.key_tables import (
    NO_MATCH,
    expected_key,
    is_plain,
    key_of,
    masked_words,
    perfect_hash,
    symbol_table,
    to_signed,
)
from tapeflow.operators.decode.layout import (
    ARRAY,
    CHOICE_WORDS,
    COLUMN,
    ENTRY_WORDS,
    FILL_WORDS,
    LEVELS,
    NODE_WORDS,
    OBJECT,
    PLAN_WORDS,
    REFUSE,
    UNUSED,
)
from tapeflow.operators.decode.objects import (
    ACTIONS,
    ObjectContext,
    column_of,
    fields_of,
    finish_of,
    is_required,
    row_defaults,
    rows_of,
)
from tapeflow.operators.decode.rows import FLOATS
from tapeflow.operators.decode.strict import Symbols
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.venues.dialect import Channel, Dialect, Field, Kind, Shape


class ScanTables(NamedTuple):
    """A compiled dialect: rows of words. The kernel gets the addresses of the first eight."""

    plans: Ints
    nodes: Ints
    slots: Ints  # perfect hash tables of the nodes' keys: numbers of entries, -1 none
    entries: Ints
    choices: Ints
    fills: Ints  # defaults that a row begins with
    symbols: Ints  # open hash table
    limits: Ints  # number of plans, mask of the symbol table
    row_bytes: int  # no row of an array is shorter; 0: no arrays, a frame has one row at most
    unscanned: tuple[str, ...]  # names of channels left to the strict reader


def compile_dialect(dialect: Dialect, symbols: Symbols) -> ScanTables:
    """Compile a dialect and the symbols listed with it."""
    builder, unscanned = TableBuilder([], [], [], [], [], [], []), []
    for number, channel in enumerate(dialect.channels):
        try:
            if not channel.reason:
                builder.add_plan(number, channel, guards(dialect.channels, number))
        except UnscannableError:
            unscanned.append(channel.name)
    table, mask = symbol_table(symbols)
    return ScanTables(
        np.array(builder.plans, np.int64),
        np.array(builder.nodes, np.int64),
        np.array(builder.slots, np.int64),
        np.array(builder.entries, np.int64),
        np.array(builder.choices, np.int64),
        np.array(builder.fills, np.int64),
        table,
        np.array([len(builder.plans) // PLAN_WORDS, mask], np.int64),
        min(builder.row_bytes, default=0),
        tuple(unscanned),
    )


class TableBuilder(Struct):
    """The tables while they are built: the words of their rows, row after row."""

    plans: list[int]
    nodes: list[int]
    slots: list[int]
    entries: list[int]
    choices: list[int]
    fills: list[int]
    row_bytes: list[int]

    def add_plan(self, number: int, channel: Channel, absent: set[Path]) -> None:
        """Write the plan of one channel."""
        shape: Any = channel.shape
        if channel.table is None:
            shape = without_values(shape, symbol=channel.unread)
        in_array = isinstance(shape, list)
        context = ObjectContext((), absent, row_defaults(channel), (), in_array=in_array)
        first, arrays = len(self.entries), len(self.row_bytes)
        root = self.add_object(shape[0] if in_array else shape, context)
        columns = self.entries[first + COLUMN :: ENTRY_WORDS]
        finish = finish_of(channel, columns, in_array=len(self.row_bytes) > arrays)
        self.plans += [root, number, rows_of(channel), in_array, finish]

    def add_object(self, shape: Shape, context: ObjectContext) -> int:
        """Write an object and all that is in it; return the number of its node."""
        require_scannable(len(context.path) < LEVELS, "nested too deeply")
        fields = fields_of(shape)
        inner = {name: part for name, part in shape.items() if not isinstance(part, Field)}
        require_scannable(not context.defaults or len(inner) <= 1, "rows in two places")
        is_row = bool(context.defaults) and not inner
        below = context.with_columns(fields)
        actions = {name: self.add_field(field) for name, field in fields.items()}
        actions |= {name: self.add_inner(name, part, below) for name, part in inner.items()}
        required = [name for name in actions if name in inner or is_required(fields[name])]
        if is_row and context.in_array:
            self.row_bytes.append(max(3, 1 + sum(len(name) + 5 for name in required)))
        surely = {actions[name][1] for name in required} if is_row else set(context.defaults)
        fills = {at: bits for at, bits in context.defaults.items() if at not in surely}
        actions |= {key: [REFUSE, UNUSED, 0, 0, 0, 0] for key in context.forbidden()}
        return self.add_node(actions, required, fills, is_row=is_row)

    def add_inner(
        self, name: str, part: "Shape | list[Shape]", context: ObjectContext
    ) -> list[int]:
        """Write an object or array under a key; return the last words of the key's entry."""
        if isinstance(part, list):
            node = self.add_object(part[0], context.inside(name, in_array=True))
            return [ARRAY, UNUSED, node, distinguishes(part), 0, 0]
        return [OBJECT, UNUSED, self.add_object(part, context.inside(name)), 0, 0, 0]

    def add_field(self, field: Field) -> list[int]:
        """Write the choices of a field; return the last words of its entry, from ACTION on."""
        column = column_of(field)
        is_float = field.kind in (Kind.DECIMAL, Kind.DECIMAL_OR_NONE, Kind.SIGNED_OR_NONE)
        require_scannable(
            column == UNUSED or (field.column in FLOATS) == is_float,
            "an integer where a float belongs",
        )
        first = len(self.choices) // CHOICE_WORDS
        choices = dict(field.words)
        other = choices.pop("", None) if field.kind is Kind.CHOICE else None
        for text, value in choices.items():
            require_scannable(is_plain(text), "a choice that is not short plain text")
            self.choices += [*masked_words(f'{text}"', 3), len(text) + 1, value]
        a, b = field.values if field.kind is Kind.BOOLEAN else (other is not None, other or 0)
        return [ACTIONS[field.kind], column, a, b, first, len(self.choices) // CHOICE_WORDS]

    def add_node(
        self,
        actions: dict[str, list[int]],
        required: list[str],
        fills: dict[int, int],
        *,
        is_row: bool,
    ) -> int:
        """Write the entries of a node, one more that fits no key, and then the node."""
        require_scannable(len(actions) < 63, "too many keys")
        first, fill = len(self.entries) // ENTRY_WORDS, len(self.fills) // FILL_WORDS
        factor, bits, slots = perfect_hash([key_of(name) for name in actions])
        required_bits = 0
        for number, (name, action) in enumerate(actions.items()):
            self.entries += [
                *map(to_signed, key_of(name)),
                *expected_key(name),
                1 << number,
                *action,
            ]
            required_bits |= (name in required) << number
        self.entries += [0, 0, 0, *NO_MATCH, 0, REFUSE, UNUSED, 0, 0, 0, 0]
        for column, value in fills.items():
            self.fills += [column, value]
        node = [required_bits, len(self.slots), to_signed(factor), 64 - bits, is_row]
        fills_end = len(self.fills) // FILL_WORDS
        self.nodes += [*node, fill, fills_end, first, first + len(actions)]
        self.slots += [first + slot if slot >= 0 else -1 for slot in slots]
        return len(self.nodes) // NODE_WORDS - 1
