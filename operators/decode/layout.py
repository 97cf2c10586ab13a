"""The layout of the scanner's tables and rows, in words of 8 bytes.

    plan  --ROOT--> node  --SLOTS-----> slots: by the hash of a key, the number of its entry
                          --ENTRIES---> entries  --A--------> node of an object or array
                          --FILLS-----> fills    --CHOICES--> choices

kernel.py lists these numbers again, and a test compares both.
"""

from tapeflow.operators.decode.rows import FLOATS, INTS

# Words of a row of each table, and the index of each value in the row:
PLAN_WORDS, ROOT, CHANNEL, HAS_ROWS, IN_ARRAY, FINISH = 5, *range(5)
NO_ROWS, ROWS, UNREAD = range(3)  # HAS_ROWS; UNREAD: its row holds only the instrument
NOTHING, NEWEST_FIRST, COUNTED = range(3)  # FINISH: what is done to the rows of a frame
NODE_WORDS, REQUIRED, SLOTS, FACTOR, SHIFT, IS_ROW, FILLS, FILLS_END, ENTRIES, ENTRIES_END = (
    9, *range(9),
)  # fmt: skip
ENTRY_WORDS, KEY, EXPECTED_KEY, EXPECTED_MASK, EXPECTED_BYTES, BIT, ACTION, COLUMN = (
    15, 0, 3, 5, *range(7, 11),
)  # fmt: skip
A, B, CHOICES, CHOICES_END = range(
    11, 15
)  # A, B: a node, 1 if not empty; values of false, true; ...
CHOICE_WORDS, CHOICE_MASK, CHOICE_BYTES, CHOICE_VALUE = 8, 3, 6, 7
FILL_WORDS, FILL_COLUMN, FILL_VALUE = 2, 0, 1
SYMBOL_WORDS, SYMBOL_VALUE = 4, 3
# What an entry does with the value of its key:
REFUSE, SKIP, OBJECT, ARRAY, IS_CHOICE, IS_SYMBOL, IS_INTEGER, IS_INTEGER_TEXT = range(8)
IS_DECIMAL, IS_DECIMAL_OR_NONE, IS_EPOCH, IS_MILLIS, IS_RFC3339, IS_BOOLEAN = range(8, 14)
IS_SIGNED_OR_NONE, IS_EPOCH_OR_NONE = 14, 15
# Columns of the rows: first these, then INTS and FLOATS, however many there are.
# UNUSED: values that are not stored. FIRST_ID_AT: of the trades in a row, see COUNTED.
FRAME_AT, CHANNEL_AT, UNUSED, FIRST_ID_AT, INSTRUMENT_AT = range(5)
COUNT_AT = INSTRUMENT_AT + INTS.index("count")
assert INTS[0] == "instrument"
FLOATS_AT, WIDTH = INSTRUMENT_AT + len(INTS), INSTRUMENT_AT + len(INTS) + len(FLOATS)
LEVELS, LONGEST = 8, 23  # objects within objects; bytes of a key, a choice or a symbol
MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F  # of the second and third word of a key
