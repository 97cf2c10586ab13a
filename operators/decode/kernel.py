"""The compiled scanner of one frame, along the tables of `plans.py`; pages: page_kernel.py.

    a frame:  guess a plan by how the frame begins
              read the frame along it, to the last byte     -> rows, or it does not fit
              does not fit: along every plan in turn        -> rows, or SLOW_PATH

`read` walks one frame: it finds each key's entry (usually the one declared next, otherwise by a
perfect hash), does the entry's action on the value, skips unknown keys by the grammar of JSON, and
accepts only if the cursor ends exactly on the frame's end. Rows are provisional until then.

    page_out    row 0  row 1  ...  | rows_max + 0, + 1, ...    one column below the other:
                rows of the page   | objects around rows       FRAME_AT .. FIRST_ID_AT, then
                                   | write here, by level      INTS and FLOATS of rows.py

Three rules, each measured:
- Functions called here get addresses and numbers, never arrays (those cost half as much again).
- What `read` calls is `forceinline`: as plain calls it takes a quarter more time. `read` itself is
  not: 5 % faster, but a first start compiles for two seconds more.
- Word arithmetic is uint64 throughout, constants and shifts too: one int64 among them makes floats.

Nothing in the inner loops tests for the page's end: a page ends in 64 zero bytes, and a zero byte
is an error everywhere in JSON. A cursor that ran over its frame's end is not at that end.
"""

# Words are numpy's numbers of 64 bits, in a kernel as in plain Python, and addresses are integers:
# mypy: disable-error-code="no-untyped-def,no-untyped-call,return-value,arg-type"
# A chain of == compiles to a jump table, a tuple to none:
# ruff: noqa: PLR0911, PLR0912, PLR0913, PLR0915, PLR0917, PLR1714, SIM109

from typing import NamedTuple

import numpy as np

from tapeflow.engine.compiled import called, inlined
from tapeflow.engine.memory import bits_of, byte, load, store, zeros_below

# The numbers of layout.py; a test compares both.
PLAN_WORDS, ROOT, CHANNEL, HAS_ROWS, IN_ARRAY, FINISH = 5, *range(5)
ROWS, UNREAD, NEWEST_FIRST, COUNTED = 1, 2, 1, 2
NODE_WORDS, REQUIRED, SLOTS, FACTOR, SHIFT, IS_ROW, FILLS, FILLS_END, ENTRIES, ENTRIES_END = (
    9, *range(9),
)  # fmt: skip
ENTRY_WORDS, KEY, EXPECTED_KEY, EXPECTED_MASK, EXPECTED_BYTES, BIT, ACTION, COLUMN = (
    15, 0, 3, 5, *range(7, 11),
)  # fmt: skip
A, B, CHOICES, CHOICES_END = range(11, 15)
CHOICE_WORDS, CHOICE_MASK, CHOICE_BYTES, CHOICE_VALUE = 8, 3, 6, 7
FILL_WORDS, FILL_COLUMN, FILL_VALUE = 2, 0, 1
SYMBOL_WORDS, SYMBOL_VALUE = 4, 3
REFUSE, SKIP, OBJECT, ARRAY, IS_CHOICE, IS_SYMBOL, IS_INTEGER, IS_INTEGER_TEXT = range(8)
IS_DECIMAL, IS_DECIMAL_OR_NONE, IS_EPOCH, IS_MILLIS, IS_RFC3339, IS_BOOLEAN = range(8, 14)
IS_SIGNED_OR_NONE, IS_EPOCH_OR_NONE, NO_TIME = 14, 15, -1  # the last: of schemas/time.py
FRAME_AT, CHANNEL_AT, UNUSED, FIRST_ID_AT, INSTRUMENT_AT, COUNT_AT = *range(5), 7
LEVELS, LONGEST, COUNT_MAX = 8, 23, 2**31 - 1  # the last: of strict.py
DECODED, HEARTBEAT, IGNORED, UNLISTED, SLOW_PATH = 0, 1, 2, 3, 5  # of schemas/market.py

# Scratch memory of a thread, in words: the minute last read (its 16 bytes, its ns), the plan that
# fitted last by how a frame begins, and the objects around the one being read (see `push`).
MINUTE, GUESSES, STACK, LEVEL_WORDS = 0, 4, 4 + 4096, 5
SCRATCH = STACK + LEVEL_WORDS * LEVELS

NAN, NO_FIT = np.nan, -1
BAD = 0  # instead of an end address: there is no such value here
QUOTE, COMMA, COLON, POINT, MINUS, PLUS, ZERO, NINE = (ord(each) for each in '",:.-+09')
OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = (ord(each) for each in "{}[]")
SMALL_E, LARGE_E, LETTER_T, LETTER_Z = (ord(each) for each in "eETZ")
SPACE, TAB, LINE, RETURN = (ord(each) for each in " \t\n\r")

U = np.uint64
U0, U1, U3, U8, U16, U32, U52, U64 = (U(each) for each in (0, 1, 3, 8, 16, 32, 52, 64))
BYTES = 0x0101010101010101  # one in every byte
ONES, HIGHS, SPACES = U(BYTES), U(0x80 * BYTES), U(0x20 * BYTES)
QUOTES, BACKSLASHES, ZEROS = U(0x22 * BYTES), U(0x5C * BYTES), U(0x30 * BYTES)
U76, LOW4 = U(0x76 * BYTES), U(0x0F * BYTES)
TENS, TENS_MASK, TEN_THOUSANDS = U(2561), U(0x00FF00FF00FF00FF), U(42949672960001)
HUNDREDS, HUNDREDS_MASK = U(6553601), U(0x0000FFFF0000FFFF)
MIX_1, MIX_2 = U(0x9E3779B97F4A7C15), U(0xC2B2AE3D27D4EB4F)
TRUE, TRUE_MASK = U(int.from_bytes(b"true", "little")), U(0xFFFFFFFF)
FALSE, FALSE_MASK = U(int.from_bytes(b"false", "little")), U(0xFFFFFFFFFF)
NULL = U(int.from_bytes(b"null", "little"))

INT_POWERS = np.array([10**k for k in range(19)], np.int64)
POWERS = np.array([10.0**k for k in range(19)])  # exact, as all up to 10^22 are
EXACT = 2**53  # every integer up to here is a float64
DIGITS = 18  # numbers of so many digits always fit into int64
MICRO, MICROS_MAX = 1_000, (2**63 - 1) // 1_000
MILLI, MILLIS_MAX = 1_000_000, (2**63 - 1) // 1_000_000
SECOND, MINUTE_NS = 1_000_000_000, 60_000_000_000
NUMBER_MAX = 300  # bytes of a skipped number: Python refuses integers of some thousand digits
DEPTH_MAX = 60  # of skipped values: their brackets are bits of a word


# --- memory -------------------------------------------------------------------------------


@called
def number(address):
    """Load eight bytes at an address as a signed integer."""
    return np.int64(load(address))


@called
def word(row, at):
    """Load word `at` of the table row at address `row`."""
    return np.int64(load(row + at * 8))


@called
def row_of(table, index, words):
    """Return the address of row `index` of a table whose rows have `words` words."""
    return table + index * words * 8


# --- pieces of JSON: each takes the address where it begins, and returns where it ends ----


@called
def after_space(p, end):
    """Skip white space."""
    while p < end:
        c = byte(p)
        if c > SPACE or (c != SPACE and c != LINE and c != RETURN and c != TAB):
            return p
        p += 1
    return p


@called
def string_end(p):
    """Find the first quote, backslash, control or non-ASCII byte: only a quote ends plain text."""
    while True:
        w = load(p)
        quote, slash = w ^ QUOTES, w ^ BACKSLASHES
        found = ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) | ((w - SPACES) & ~w) | w
        found &= HIGHS  # its lowest bit is exact
        if found != U0:
            return p + np.int64(zeros_below(found) >> U3)
        p += 8


@called
def lowest(w, count):
    """Return a word with all but its first `count` bytes set to zero."""
    return w if count >= 8 else w & ((U1 << (U(count) << U3)) - U1)


@called
def text_words(p, count):
    """Read a text of up to 24 bytes as three words."""
    if count <= 8:
        return lowest(load(p), count), U0, U0
    if count <= 16:
        return load(p), lowest(load(p + 8), count - 8), U0
    return load(p), load(p + 8), lowest(load(p + 16), count - 16)


@called
def leading_digits(w):
    """Return value and number of the digits that a word begins with."""
    d = w ^ ZEROS
    other = ((d + U76) | d) & HIGHS
    count = zeros_below(other) >> U3 if other != U0 else U8
    if count == U0:
        return np.int64(0), np.int64(0)
    w = (w << (U64 - (count << U3))) & LOW4  # the digits moved up, zeros before them
    w = ((w * TENS) >> U8) & TENS_MASK
    w = ((w * HUNDREDS) >> U16) & HUNDREDS_MASK
    return np.int64((w * TEN_THOUSANDS) >> U32), np.int64(count)


@called
def digits(p):
    """Return value and number of the digits here; more than DIGITS of them have no true value."""
    value, count = leading_digits(load(p))
    if count == 8:
        more, n = leading_digits(load(p + 8))
        value, count = value * INT_POWERS[n] + more, 8 + n
        if n == 8:
            more, n = leading_digits(load(p + 16))
            value, count = value * INT_POWERS[n] + more, 16 + n
    return value, count


@called
def integer(p):
    """Read a JSON integer without a sign: value and end."""
    value, count = digits(p)
    if count == 0 or count > DIGITS or (count > 1 and byte(p) == ZERO):
        return value, BAD
    return value, p + count


@called
def decimal(p):
    """Read digits[.digits]: the nearest float64 and the end.

    Mantissa and power of ten are both exact, so their quotient is rounded once: as float() does.
    """
    mantissa, count = digits(p)
    if count == 0 or count > DIGITS:
        return NAN, BAD
    p += count
    places = np.int64(0)
    if byte(p) == POINT:
        fraction, places = digits(p + 1)
        if places == 0 or count + places > DIGITS:
            return NAN, BAD
        mantissa = mantissa * INT_POWERS[places] + fraction
        p += 1 + places
    if mantissa > EXACT:
        return NAN, BAD
    return mantissa / POWERS[places], p


@called
def two_digits(p):
    """Read two digits as 0 .. 99; below zero if they are none."""
    high, low = byte(p) - ZERO, byte(p + 1) - ZERO
    return high * 10 + low if 0 <= high <= 9 and 0 <= low <= 9 else -10_000


@called
def minute_of(p):
    """Read `2021-04-17T16:43` as ns since the epoch; below zero if it is no minute."""
    year, month = two_digits(p) * 100 + two_digits(p + 2), two_digits(p + 5)
    day, hour, minute = two_digits(p + 8), two_digits(p + 11), two_digits(p + 14)
    is_date = byte(p + 4) == MINUS and byte(p + 7) == MINUS
    if not is_date or byte(p + 10) != LETTER_T or byte(p + 13) != COLON:
        return np.int64(-1)
    if not (2000 <= year <= 2261 and 1 <= month <= 12 and day >= 1):
        return np.int64(-1)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 30 + ((month + (month >> 3)) & 1)
    if month == 2:
        longest = 29 if leap else 28
    if not (0 <= hour <= 23 and 0 <= minute <= 59) or day > longest:
        return np.int64(-1)
    march = (month + 9) % 12  # a year that begins in March ends in its leap day
    y = year - (1 if month <= 2 else 0)
    days = y * 365 + y // 4 - y // 100 + y // 400 + (march * 153 + 2) // 5 + day - 1 - 719468
    return np.int64(((days * 24 + hour) * 60 + minute) * MINUTE_NS)


@called
def moment(p, scratch):
    """Read RFC 3339 with Z: ns since the epoch and the end. Scratch remembers the last minute."""
    known = scratch + MINUTE * 8
    if load(p) == load(known) and load(p + 8) == load(known + 8):
        ns = number(known + 16)
    else:
        ns = minute_of(p)
        if ns < 0:
            return ns, BAD
        store(known, number(p))
        store(known + 8, number(p + 8))
        store(known + 16, ns)
    second = two_digits(p + 17)
    if byte(p + 16) != COLON or second < 0 or second > 59:
        return ns, BAD
    ns += second * SECOND
    p += 19
    if byte(p) == POINT:
        fraction, places = digits(p + 1)
        if places < 1 or places > 9:
            return ns, BAD
        ns += fraction * INT_POWERS[9 - places]
        p += 1 + places
    return (ns, p + 1) if byte(p) == LETTER_Z else (ns, BAD)


@called
def digits_end(p):
    """Skip digits."""
    while True:
        _, count = leading_digits(load(p))
        p += count
        if count < 8:
            return p


@called
def number_end(p):
    """Skip a JSON number of less than NUMBER_MAX bytes."""
    first = p
    if byte(p) == MINUS:
        p += 1
    whole = p
    p = digits_end(p)
    if p == whole or (byte(whole) == ZERO and p > whole + 1):
        return BAD
    if byte(p) == POINT:
        fraction = p + 1
        p = digits_end(fraction)
        if p == fraction:
            return BAD
    if byte(p) == SMALL_E or byte(p) == LARGE_E:
        p += 1
        if byte(p) == PLUS or byte(p) == MINUS:
            p += 1
        exponent = p
        p = digits_end(p)
        if p == exponent:
            return BAD
    return p if p - first < NUMBER_MAX else BAD


@called
def scalar_end(p):
    """Skip a JSON string, number, true, false or null."""
    c = byte(p)
    if c == QUOTE:
        p = string_end(p + 1)
        return p + 1 if byte(p) == QUOTE else BAD
    if c == MINUS or ZERO <= c <= NINE:
        return number_end(p)
    w = load(p)
    if w & TRUE_MASK == TRUE or w & TRUE_MASK == NULL:
        return p + 4
    return p + 5 if w & FALSE_MASK == FALSE else BAD


@called
def key_end(p, end):
    """Skip a key and its colon, to where the value begins."""
    if byte(p) != QUOTE:
        return BAD
    p = string_end(p + 1)
    if byte(p) != QUOTE:
        return BAD
    p = after_space(p + 1, end)
    return after_space(p + 1, end) if byte(p) == COLON else BAD


@called
def value_end(p, end):
    """Skip any JSON value whose strings hold no escapes."""
    c = byte(p)
    if c != OPEN and c != OPEN_LIST:
        return scalar_end(p)
    depth, kinds = 0, U0  # of the open brackets, one bit each, the innermost lowest: 1 an object
    while True:
        c = byte(p)
        if c == OPEN or c == OPEN_LIST:
            is_object = c == OPEN
            p = after_space(p + 1, end)
            if byte(p) == (CLOSE if is_object else CLOSE_LIST):
                p += 1
            else:
                depth += 1
                if depth > DEPTH_MAX:
                    return BAD
                kinds = (kinds << U1) | (U1 if is_object else U0)
                if is_object:
                    p = key_end(p, end)
                    if p == BAD:
                        return BAD
                continue
        else:
            p = scalar_end(p)
            if p == BAD:
                return BAD
        while True:  # a value has ended
            if depth == 0:
                return p
            p = after_space(p, end)
            is_object = kinds & U1 == U1
            c = byte(p)
            if c == COMMA:
                p = after_space(p + 1, end)
                if is_object:
                    p = key_end(p, end)
                    if p == BAD:
                        return BAD
                break
            if c != (CLOSE if is_object else CLOSE_LIST):
                return BAD
            p += 1
            depth -= 1
            kinds >>= U1


# --- tables -------------------------------------------------------------------------------


class Tables(NamedTuple):
    """Addresses of the tables of `plans.py`, and the two numbers of its `limits`."""

    plans: int
    nodes: int
    slots: int
    entries: int
    choices: int
    fills: int
    symbols: int
    plan_count: int
    symbol_mask: int


@called
def matches_at(p, text, masks):
    """Return whether the 16 bytes at `p`, under `masks`, equal `text`."""
    return load(p) & load(masks) == load(text) and load(p + 8) & load(masks + 8) == load(text + 8)


@called
def entry_of(w0, w1, w2, node, tables):
    """Look up the entry of a key in a node: its address, or 0."""
    mixed = (w0 ^ (w1 * MIX_1) ^ (w2 * MIX_2)) * load(node + FACTOR * 8)
    slot = word(node, SLOTS) + np.int64(mixed >> load(node + SHIFT * 8))
    index = word(tables.slots, slot)
    if index < 0:
        return np.int64(0)
    entry = row_of(tables.entries, index, ENTRY_WORDS)
    same = load(entry) == w0 and load(entry + 8) == w1 and load(entry + 16) == w2
    return entry if same else np.int64(0)


@called
def choice_of(p, entry, choices):
    """Return the address of the entry's choice whose text and closing quote are at `p`, or 0."""
    choice = row_of(choices, word(entry, CHOICES), CHOICE_WORDS)
    last = row_of(choices, word(entry, CHOICES_END), CHOICE_WORDS)
    while choice < last:
        masks = choice + CHOICE_MASK * 8
        if matches_at(p, choice, masks) and load(p + 16) & load(masks + 16) == load(choice + 16):
            return choice
        choice += CHOICE_WORDS * 8
    return np.int64(0)


@called
def instrument_of(w0, w1, w2, tables):
    """Look up the instrument of a symbol: its number, or -1."""
    slot = np.int64(((w0 ^ (w1 * MIX_1) ^ (w2 * MIX_2)) * MIX_1) >> U32) & tables.symbol_mask
    while True:
        at = row_of(tables.symbols, slot, SYMBOL_WORDS)
        value = word(at, SYMBOL_VALUE)
        if value < 0 or (load(at) == w0 and load(at + 8) == w1 and load(at + 16) == w2):
            return value
        slot = (slot + 1) & tables.symbol_mask


# --- values: each reads one where it begins, and returns it as an int64 and where it ends --


@inlined
def closing_quote(p):
    """Step over the quote that must be here."""
    return p + 1 if p != BAD and byte(p) == QUOTE else BAD


@inlined
def read_decimal(p, action):
    """Read a decimal in a string as the bits of its float64; where none is allowed it is NaN."""
    or_none, is_signed = action != IS_DECIMAL, action == IS_SIGNED_OR_NONE
    if byte(p) != QUOTE:
        return bits_of(NAN), p + 4 if or_none and load(p) & TRUE_MASK == NULL else BAD
    text = p + 1
    is_below = is_signed and byte(text) == MINUS
    real, p = decimal(text + np.int64(is_below))
    p = text if p == BAD and or_none else p  # empty, where a quote is there
    if real == 0.0 and not is_signed:
        real, p = NAN, p if or_none else BAD
    return bits_of(-real if is_below else real), closing_quote(p)


@inlined
def read_choice(p, entry, choices):
    """Read one of the texts of an entry, or, if A is 1, any other text, whose value is B."""
    if byte(p) != QUOTE:
        return np.int64(0), BAD
    choice = choice_of(p + 1, entry, choices)
    if choice != 0:
        return word(choice, CHOICE_VALUE), p + 1 + word(choice, CHOICE_BYTES)
    if word(entry, A) == 0:
        return np.int64(0), BAD
    return word(entry, B), closing_quote(string_end(p + 1))


@inlined
def read_symbol(p, tables):
    """Read a symbol as the number of its instrument."""
    if byte(p) != QUOTE:
        return np.int64(0), BAD
    text = p + 1
    p = string_end(text)
    if p - text > LONGEST:
        return np.int64(0), BAD
    w0, w1, w2 = text_words(text, p - text)
    return instrument_of(w0, w1, w2, tables), closing_quote(p)


@inlined
def read_integer_text(p):
    """Read an integer in a string."""
    if byte(p) != QUOTE:
        return np.int64(0), BAD
    value, p = integer(p + 1)
    return value, closing_quote(p)


@inlined
def read_epoch(p, action):
    """Read ms as ns; by digits: of 13 digits, or us of 16: others are left to the slow path."""
    (value, after), by_digits = integer(p), action != IS_MILLIS
    if action == IS_EPOCH_OR_NONE and value == 0 and after != BAD:
        return np.int64(NO_TIME), after
    if by_digits and after - p == 16:
        return value * MICRO, after if value <= MICROS_MAX else BAD
    fits = value <= MILLIS_MAX and (not by_digits or after - p == 13)
    return value * MILLI, after if fits else BAD


@inlined
def read_rfc3339(p, scratch):
    """Read a time in a string as nanoseconds since the epoch."""
    if byte(p) != QUOTE:
        return np.int64(0), BAD
    value, p = moment(p + 1, scratch)
    return value, closing_quote(p)


@inlined
def read_boolean(p, entry):
    """Read true as B, false as A."""
    w = load(p)
    if w & TRUE_MASK == TRUE:
        return word(entry, B), p + 4
    return word(entry, A), p + 5 if w & FALSE_MASK == FALSE else BAD


@inlined
def read_value(p, end, entry, action, scratch, tables):
    """Read a value that holds no rows, by the action of its key's entry."""
    if action == IS_DECIMAL or action == IS_DECIMAL_OR_NONE or action == IS_SIGNED_OR_NONE:
        return read_decimal(p, action)
    if action == IS_CHOICE:
        return read_choice(p, entry, tables.choices)
    if action == IS_SYMBOL:
        return read_symbol(p, tables)
    if action == IS_INTEGER:
        return integer(p)
    if action == IS_EPOCH or action == IS_MILLIS or action == IS_EPOCH_OR_NONE:
        return read_epoch(p, action)
    if action == IS_BOOLEAN:
        return read_boolean(p, entry)
    if action == IS_RFC3339:
        return read_rfc3339(p, scratch)
    if action == IS_INTEGER_TEXT:
        return read_integer_text(p)
    if action == SKIP:
        return np.int64(0), value_end(p, end)
    return np.int64(0), BAD  # REFUSE


# --- rows ---------------------------------------------------------------------------------


class Output(NamedTuple):
    """Where rows are written: the address of `page_out`, its rows, and the bytes of a column."""

    columns: int
    rows_max: int
    stride: int


@inlined
def cell(output, column, row):
    """Return the address of a row's value in a column."""
    return output.columns + column * output.stride + row * 8


@inlined
def begin_row(node, row, output, tables):
    """Write the defaults of the columns that a row's keys may leave out."""
    for i in range(word(node, FILLS), word(node, FILLS_END)):
        fill = row_of(tables.fills, i, FILL_WORDS)
        store(cell(output, word(fill, FILL_COLUMN), row), word(fill, FILL_VALUE))


@called
def copy_around(node, seen, at, first, last, output, tables):
    """Copy the values of an object that encloses rows to all rows inside it."""
    for i in range(word(node, ENTRIES), word(node, ENTRIES_END)):
        entry = row_of(tables.entries, i, ENTRY_WORDS)
        column = word(entry, COLUMN)
        if column != UNUSED and seen & word(entry, BIT):
            value = number(cell(output, column, at))
            for row in range(first, last):
                store(cell(output, column, row), value)


@called
def reverse(first, last, output, columns):
    """Reverse the order of a frame's rows."""
    for column in range(INSTRUMENT_AT, columns):
        low, high = cell(output, column, first), cell(output, column, last - 1)
        while low < high:
            value = number(low)
            store(low, number(high))
            store(high, value)
            low += 8
            high -= 8


# --- a frame ------------------------------------------------------------------------------


@inlined
def entry_at(p, end, node, expected, tables):
    """Find the entry of the key that is here, 0 if it has none, and where its value begins."""
    if matches_at(p, expected + EXPECTED_KEY * 8, expected + EXPECTED_MASK * 8):
        return expected, after_space(p + word(expected, EXPECTED_BYTES), end)
    entry, key = np.int64(0), p + 1
    if byte(p) != QUOTE:
        return entry, BAD
    p = string_end(key)
    if byte(p) != QUOTE:
        return entry, BAD
    count = p - key
    p = after_space(p + 1, end)
    if byte(p) != COLON:
        return entry, BAD
    p = after_space(p + 1, end)
    if count <= LONGEST:
        w0, w1, w2 = text_words(key, count)
        entry = entry_of(w0, w1, w2, node, tables)
    return entry, p


@inlined
def array_begin(p, end):
    """Step to the first element of an array, or over an empty one; return whether it has one."""
    if byte(p) != OPEN_LIST:
        return BAD, False
    p = after_space(p + 1, end)
    return (p + 1, False) if byte(p) == CLOSE_LIST else (p, True)


@inlined
def push(stack, node, seen, first, in_array, expected):
    """Save the object being read while one inside it is; `pop` restores it."""
    store(stack, node)
    store(stack + 8, seen)
    store(stack + 16, first)
    store(stack + 24, in_array)
    store(stack + 32, expected)
    return stack + LEVEL_WORDS * 8


@inlined
def pop(stack):
    """Return the stack without its last object, and that object."""
    stack -= LEVEL_WORDS * 8
    return stack, word(stack, 0), word(stack, 1), word(stack, 2), word(stack, 3), word(stack, 4)


@called
def read(p, end, plan, frame, row, output, scratch, tables):
    """Read a frame along a plan into rows from `row` on; return the row after its last, or NO_FIT.

    State of the object being read: `node`; `seen`, the bits of the keys read; `first`, the first
    row in it; `at`, the row that it writes to; `expected`, the entry declared next.
    """
    node, stack = row_of(tables.nodes, word(plan, ROOT), NODE_WORDS), scratch + STACK * 8
    level, in_array, opening = np.int64(0), word(plan, IN_ARRAY), True
    seen, first, at, expected = np.int64(0), row, row, tables.entries
    p = after_space(p, end)
    while True:
        is_empty = False
        if opening:  # an object must begin here
            if byte(p) != OPEN:
                return NO_FIT
            p = after_space(p + 1, end)
            opening, is_empty = False, byte(p) == CLOSE
            seen, first, at = np.int64(0), row, output.rows_max + level
            expected = row_of(tables.entries, word(node, ENTRIES), ENTRY_WORDS)
            if word(node, IS_ROW):
                if row >= output.rows_max:
                    return NO_FIT
                at = row
                begin_row(node, row, output, tables)
        if not is_empty:  # a key and its value must be here
            entry, p = entry_at(p, end, node, expected, tables)
            if p == BAD:
                return NO_FIT
            if entry == 0:
                p = value_end(p, end)
            else:
                if seen & word(entry, BIT):
                    return NO_FIT
                seen |= word(entry, BIT)
                expected = entry + ENTRY_WORDS * 8
                action = word(entry, ACTION)
                if action == OBJECT or action == ARRAY:
                    opening = True
                    if action == ARRAY:
                        p, opening = array_begin(p, end)
                        if p == BAD or (word(entry, B) and not opening):
                            return NO_FIT
                    if opening:
                        stack = push(stack, node, seen, first, in_array, expected)
                        level, in_array = level + 1, np.int64(action == ARRAY)
                        node = row_of(tables.nodes, word(entry, A), NODE_WORDS)
                        continue
                else:
                    value, p = read_value(p, end, entry, action, scratch, tables)
                    store(cell(output, word(entry, COLUMN), at), value)
            if p == BAD:
                return NO_FIT
            p = after_space(p, end)
            if byte(p) == COMMA:
                p = after_space(p + 1, end)
                continue
        while True:  # an object must end here, and perhaps those around it
            required = word(node, REQUIRED)
            if byte(p) != CLOSE or seen & required != required:
                return NO_FIT
            p = after_space(p + 1, end)
            if word(node, IS_ROW):
                store(cell(output, FRAME_AT, row), frame)
                store(cell(output, CHANNEL_AT, row), word(plan, CHANNEL))
                row += 1
            else:
                copy_around(node, seen, at, first, row, output, tables)
            if in_array:
                if byte(p) == COMMA:
                    p, opening = after_space(p + 1, end), True
                    break
                if byte(p) != CLOSE_LIST:
                    return NO_FIT
                p = after_space(p + 1, end)
            if level == 0:
                return row if p == end else NO_FIT
            stack, node, seen, first, in_array, expected = pop(stack)
            level -= 1
            at = output.rows_max + level
            if byte(p) == COMMA:
                p = after_space(p + 1, end)
                break


# --- a plan for a frame --------------------------------------------------------------------


@called
def prefix_hash(p):
    """Mix twelve bits of a frame's first key and, of a string, the end of its first value."""
    key_last = string_end(p + 2)
    w = lowest(load(p + 2), key_last - p - 2)
    if byte(key_last + 2) == QUOTE:
        w ^= (load(string_end(key_last + 3) - 6) << U16) * MIX_2
    return np.int64((w * MIX_1) >> U52)


@called
def guess_address(p, scratch, tables):
    """Return where the plan that fitted last by how a frame begins is noted."""
    guess_at = scratch + GUESSES * 8
    return guess_at + prefix_hash(p) * 8 if tables.plan_count > 1 else guess_at


@inlined
def read_by_any(p, end, guess_at, frame, row, output, scratch, tables):
    """Read a frame along the first plan that fits; return the plan, and the row after its last.

    The row is NO_FIT if none fits. The plan of the last frame with such a beginning is tried first.
    """
    guess = number(guess_at)
    for plan_number in range(-1, tables.plan_count):
        if plan_number == guess:
            continue
        plan = row_of(tables.plans, guess if plan_number < 0 else plan_number, PLAN_WORDS)
        begin, has_object = p, True
        if word(plan, IN_ARRAY):
            begin, has_object = array_begin(after_space(p, end), end)
        if not has_object:
            continue
        after = read(begin, end, plan, frame, row, output, scratch, tables)
        if after >= 0:
            if plan_number >= 0:
                store(guess_at, plan_number)
            return plan, after
    return np.int64(0), np.int64(NO_FIT)


@inlined
def accept(plan, first, after, output, columns, ignored):
    """Put the rows of a frame in log order; return the frame's status and the next free row."""
    if word(plan, HAS_ROWS) != ROWS:
        is_unread = word(plan, HAS_ROWS) == UNREAD
        store(ignored, word(plan, CHANNEL))
        store(ignored + 8, number(cell(output, INSTRUMENT_AT, first)) if is_unread else -1)
        return IGNORED, first
    if after == first:
        return SLOW_PATH, first
    finish = word(plan, FINISH)
    if finish == NEWEST_FIRST:
        reverse(first, after, output, columns)
    elif finish == COUNTED:  # the last id becomes the number of trades
        count_at = cell(output, COUNT_AT, first)
        count = number(count_at) - number(cell(output, FIRST_ID_AT, first)) + 1
        if count < 1 or count > COUNT_MAX:
            return SLOW_PATH, first
        store(count_at, count)
    if after == first + 1 and number(cell(output, INSTRUMENT_AT, first)) < 0:
        return UNLISTED, first  # the common case of unlisted frames: its row is dropped here
    return DECODED, after
