"""The layout of templates, and of a thread's memory for them, in words of 8 bytes.

    template   head | column, default | .. | part | part | ..
    part       literal: 3 words, 3 masks, its bytes | what is read behind it, into which column

Imported by kernels and by what makes templates.
"""

# Words of a template. PLAN_AT: address of its plan.
PLAN_AT, ROW_COUNT, FILL_COUNT, PART_COUNT, FILLS_AT, FILLS_MAX, PARTS_MAX = *range(5), 12, 40
PARTS_AT = FILLS_AT + 2 * FILLS_MAX
# Words of a part. SIZE to SHIFT are for a value that is as long as the sample's.
LITERAL, LITERAL_MASK, LITERAL_BYTES, VALUE, VALUE_COLUMN, VALUE_A = 0, 3, *range(6, 10)
SIZE, POWER, MASK, STOP, SHIFT, PART_WORDS = range(10, 16)
TEMPLATE_WORDS = PARTS_AT + PARTS_MAX * PART_WORDS
LITERAL_MAX = 24  # a longer literal takes several parts
TEXT_MAX = 47  # of a text whose size is expected: PADDING ends behind what is read of it
# VALUE: what is read behind the literal. VALUE_A: of a DECIMAL or TIME_IN_MS, the action of
# layout.py that reads it; of a BOOLEAN or CHOICE, the number of the entry. Literals hold the quotes
# around a value, but for those of a CHOICE.
NOTHING, ANYTHING, TEXT, SYMBOL, INTEGER, TIME_IN_MS, RFC3339, DECIMAL, BOOLEAN, CHOICE = range(10)
# Words of a thread's memory. LAST: address of the template that fitted last, 0 for none. MISSES: of
# a page, frames read along a plan that could have a template; MISSED: one of them, and its plan.
LAST, MISSES, MISSED_FRAME, MISSED_PLAN, TEMPLATE_OF = range(5)
NO_TEMPLATE, NEVER = 0, -1  # TEMPLATE_OF, by plan, if it is no address
