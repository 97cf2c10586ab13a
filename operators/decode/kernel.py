"""The compiled scanner: walks a page of frames along the tables of `scan_tables.py`.

    for each frame:  guess a plan by how the frame begins
                     read the frame along it, to the last byte     -> rows, or it does not fit
                     does not fit: along every plan in turn         -> rows, or SLOW_PATH

`read` walks one frame: it finds each key's entry (usually the one declared next, otherwise by a
perfect hash), does the entry's action on the value, skips unknown keys by the grammar of JSON, and
accepts only if the cursor ends exactly on the frame's end. Rows are provisional until then.

Three rules, learnt the hard way:
- Subroutines get addresses and numbers, never arrays (those cost half as much again).
- Word arithmetic is uint64 throughout, constants and shifts too: one int64 among them makes floats.
- All of it is in this file, since numba's cache on disk knows a kernel by its own file only.

Nothing in the inner loops asks where the page ends: a page ends in 64 zero bytes, and a zero byte
is an error everywhere in JSON. What ran over its frame's end is not at its end.
"""

# numba and llvmlite have no types that mypy knows, and an @intrinsic is rewritten by numba:
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,call-arg,var-annotated"
# A chain of == compiles to a jump table, a tuple to none:
# ruff: noqa: PLR0911, PLR0912, PLR0913, PLR0915, PLR0917, PLR1714, SIM109

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from tapeflow.engine.compiled import compiled

# The layout of scan_tables.py, in 8-byte words: written out here too, see the third rule.
NODE, NEED, SLOTS, FACTOR, SHIFT, IS_ROW, FILL, FILL_END, ENTRIES, ENTRIES_END = 9, *range(9)
ENTRY, KEY, AHEAD, AHEAD_MASK, AHEAD_BYTES, BIT, ACTION, COLUMN, A, B, WORDS, WORDS_END = (
    15, 0, 3, 5, *range(7, 15),
)  # fmt: skip
CHOICE, WORD_MASK, WORD_BYTES, WORD_VALUE = 8, 3, 6, 7
SYMBOL, SYMBOL_VALUE = 4, 3
PLAN, ROOT, CHANNEL, TICK, REVERSED = 4, *range(4)
REFUSE, SKIP, OBJECT, ARRAY, IS_WORD, IS_SYMBOL = range(6)
IS_INTEGER, IS_INTEGER_TEXT, IS_DECIMAL, IS_DECIMAL_OR_ZERO, IS_MILLIS, IS_TIME, IS_FLAG = range(
    6, 13
)
FRAME_AT, CHANNEL_AT, UNUSED, WIDTH = 11, 12, 13, 14
LEVELS, LONGEST = 8, 23
DECODED, HEARTBEAT, IGNORED, UNLISTED, SLOW_PATH = 0, 1, 2, 3, 5  # of schemas/market.py

# Scratch memory of a thread, in words: the minute last read (its 16 bytes, its ns), guessed plans
# by how a frame begins, and the objects around this one (node, seen, first row, in list, ahead).
MINUTE, GUESSES, STACK, AROUND = 0, 4, 68, 5
SCRATCH = STACK + AROUND * LEVELS

NO_FIT = -1
BAD = 0  # no address: where a value should end that is none
QUOTE, COMMA, COLON, POINT, MINUS, PLUS, ZERO, NINE = (ord(each) for each in '",:.-+09')
OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = (ord(each) for each in "{}[]")
SMALL_E, LARGE_E, LETTER_T, LETTER_Z = (ord(each) for each in "eETZ")
SPACE, TAB, LINE, RETURN = (ord(each) for each in " \t\n\r")

U = np.uint64
U0, U1, U3, U8, U16, U32, U48, U58, U64 = (U(each) for each in (0, 1, 3, 8, 16, 32, 48, 58, 64))
BYTES = 0x0101010101010101  # one in every byte
ONES, HIGHS, SPACES, ALL = U(BYTES), U(0x80 * BYTES), U(0x20 * BYTES), U(0xFF * BYTES)
QUOTES, BACKSLASHES, ZEROS = U(0x22 * BYTES), U(0x5C * BYTES), U(0x30 * BYTES)
U76, LOW4 = U(0x76 * BYTES), U(0x0F * BYTES)
TENS, TENS_MASK = U(2561), U(0x00FF00FF00FF00FF)
HUNDREDS, HUNDREDS_MASK = U(6553601), U(0x0000FFFF0000FFFF)
TEN_THOUSANDS = U(42949672960001)
MIX_1, MIX_2 = U(0x9E3779B97F4A7C15), U(0xC2B2AE3D27D4EB4F)
TRUE, TRUE_MASK = U(int.from_bytes(b"true", "little")), U(0xFFFFFFFF)
FALSE, FALSE_MASK = U(int.from_bytes(b"false", "little")), U(0xFFFFFFFFFF)
NULL = U(int.from_bytes(b"null", "little"))

INT_POWERS = np.array([10**k for k in range(19)], np.int64)
POWERS = np.array([10.0**k for k in range(19)])  # exact, as all up to 10^22 are
EXACT = 2**53  # every integer up to here is a float64
DIGITS = 18  # as many surely fit into int64
MILLI, MILLIS_MAX = 1_000_000, (2**63 - 1) // 1_000_000
SECOND, MINUTE_NS = 1_000_000_000, 60_000_000_000
NUMBER_MAX = (
    300  # bytes of a skipped number: Python itself refuses integers of some thousand digits
)
DEPTH_MAX = 60  # of skipped values: their brackets are bits of a word
NAN = np.nan


# --- memory -------------------------------------------------------------------------------


@intrinsic
def load(context, address):
    """Eight bytes at an address, unaligned."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(types.int64), generate


@intrinsic
def number(context, address):
    """Eight bytes at an address as a signed integer."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.int64(types.int64), generate


@intrinsic
def byte(context, address):
    """One byte at an address, 0 .. 255."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(pointer), ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic
def store(context, address, value):
    """Write a signed integer to an address."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store(arguments[1], pointer, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def bits_of(context, value):
    """Turn a float64 into the integer of its bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def zeros_below(context, word):
    """How many bits stand below the lowest set one."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


# --- pieces of JSON: each takes the address where it begins, and says where it ends -------


@njit
def after_space(p, end):
    """Skip white space."""
    while p < end:
        c = byte(p)
        if c > SPACE or (c != SPACE and c != LINE and c != RETURN and c != TAB):
            return p
        p += 1
    return p


@njit
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


@njit
def lowest(w, count):
    """Keep the first bytes of a word, the others zero."""
    return w if count >= 8 else w & ((U1 << (U(count) << U3)) - U1)


@njit
def text_words(p, count):
    """Read a text of up to 24 bytes as three words."""
    if count <= 8:
        return lowest(load(p), count), U0, U0
    if count <= 16:
        return load(p), lowest(load(p + 8), count - 8), U0
    return load(p), load(p + 8), lowest(load(p + 16), count - 16)


@njit
def leading_digits(w):
    """Value and number of the digits that a word begins with."""
    d = w ^ ZEROS
    other = ((d + U76) | d) & HIGHS
    count = zeros_below(other) >> U3 if other != U0 else U8
    if count == U0:
        return np.int64(0), np.int64(0)
    w = (w << (U64 - (count << U3))) & LOW4  # the digits moved up, zeros before them
    w = ((w * TENS) >> U8) & TENS_MASK
    w = ((w * HUNDREDS) >> U16) & HUNDREDS_MASK
    return np.int64((w * TEN_THOUSANDS) >> U32), np.int64(count)


@njit
def digits(p):
    """Value and number of the digits here; more than DIGITS of them have no true value."""
    value, count = leading_digits(load(p))
    if count == 8:
        more, n = leading_digits(load(p + 8))
        value, count = value * INT_POWERS[n] + more, 8 + n
        if n == 8:
            more, n = leading_digits(load(p + 16))
            value, count = value * INT_POWERS[n] + more, 16 + n
    return value, count


@njit
def integer(p):
    """Read a JSON integer without a sign: value and end."""
    value, count = digits(p)
    if count == 0 or count > DIGITS or (count > 1 and byte(p) == ZERO):
        return value, BAD
    return value, p + count


@njit(error_model="numpy")
def decimal(p):
    """digits[.digits]: the nearest float64 and the end.

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


@njit
def two_digits(p):
    """0 .. 99, or below zero."""
    high, low = byte(p) - ZERO, byte(p + 1) - ZERO
    return high * 10 + low if 0 <= high <= 9 and 0 <= low <= 9 else -10_000


@njit
def minute_of(p):
    """`2021-04-17T16:43` in ns since the epoch, or below zero."""
    year, month = two_digits(p) * 100 + two_digits(p + 2), two_digits(p + 5)
    day, hour, minute = two_digits(p + 8), two_digits(p + 11), two_digits(p + 14)
    if (
        byte(p + 4) != MINUS
        or byte(p + 7) != MINUS
        or byte(p + 10) != LETTER_T
        or byte(p + 13) != COLON
    ):
        return np.int64(-1)
    if not (1970 <= year <= 2261 and 1 <= month <= 12 and day >= 1):
        return np.int64(-1)
    if not (0 <= hour <= 23 and 0 <= minute <= 59):
        return np.int64(-1)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 30 + ((month + (month >> 3)) & 1)
    if month == 2:
        longest = 29 if leap else 28
    if day > longest:
        return np.int64(-1)
    march = (month + 9) % 12  # a year that begins in March ends in its leap day
    y = year - (1 if month <= 2 else 0)
    days = y * 365 + y // 4 - y // 100 + y // 400 + (march * 153 + 2) // 5 + day - 1 - 719468
    return np.int64(((days * 24 + hour) * 60 + minute) * MINUTE_NS)


@njit
def moment(p, scratch):
    """RFC 3339 with Z: ns since the epoch and the end. The minute is remembered."""
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


@njit
def digits_end(p):
    """Skip digits."""
    while True:
        _, count = leading_digits(load(p))
        p += count
        if count < 8:
            return p


@njit
def number_end(p):
    """Any JSON number that is not absurdly long."""
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


@njit
def scalar_end(p):
    """Any JSON value that holds no other."""
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


@njit
def key_end(p, end):
    """Skip a key and its colon, to where the value begins."""
    if byte(p) != QUOTE:
        return BAD
    p = string_end(p + 1)
    if byte(p) != QUOTE:
        return BAD
    p = after_space(p + 1, end)
    return after_space(p + 1, end) if byte(p) == COLON else BAD


@njit
def value_end(p, end):
    """Any JSON value of plain strings, no matter what it says."""
    c = byte(p)
    if c != OPEN and c != OPEN_LIST:
        return scalar_end(p)
    depth, kinds = 0, U0  # of the brackets around, the innermost lowest: 1 an object, 0 a list
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


@njit
def matches_at(p, text, masks):
    """Whether these up to 16 bytes stand here."""
    return load(p) & load(masks) == load(text) and load(p + 8) & load(masks + 8) == load(text + 8)


@njit
def entry_of(w0, w1, w2, node, slots, entries):
    """Address of the entry of a key in a node, or 0."""
    mixed = (w0 ^ (w1 * MIX_1) ^ (w2 * MIX_2)) * load(node + FACTOR * 8)
    slot = number(node + SLOTS * 8) + np.int64(mixed >> load(node + SHIFT * 8))
    found = number(slots + slot * 8)
    if found < 0:
        return np.int64(0)
    entry = entries + found * (ENTRY * 8)
    same = load(entry) == w0 and load(entry + 8) == w1 and load(entry + 16) == w2
    return entry if same else np.int64(0)


@njit
def word_of(p, entry, words):
    """Address of the word of an entry that stands here, with the quote that ends it, or 0."""
    word = words + number(entry + WORDS * 8) * (CHOICE * 8)
    last = words + number(entry + WORDS_END * 8) * (CHOICE * 8)
    while word < last:
        if matches_at(p, word, word + WORD_MASK * 8) and load(p + 16) & load(word + 40) == load(
            word + 16
        ):
            return word
        word += CHOICE * 8
    return np.int64(0)


@njit
def instrument_of(w0, w1, w2, symbols, mask):
    """Look up the instrument of this symbol: its number, or -1."""
    slot = np.int64(((w0 ^ (w1 * MIX_1) ^ (w2 * MIX_2)) * MIX_1) >> U32) & mask
    while True:
        at = symbols + slot * (SYMBOL * 8)
        value = number(at + SYMBOL_VALUE * 8)
        if value < 0 or (load(at) == w0 and load(at + 8) == w1 and load(at + 16) == w2):
            return value
        slot = (slot + 1) & mask


@njit
def copy_around(node, seen, at, first, last, out, stride, entries):
    """Copy what an object around rows said, from its own place to all of its rows."""
    for i in range(number(node + ENTRIES * 8), number(node + ENTRIES_END * 8)):
        entry = entries + i * (ENTRY * 8)
        number_of = number(entry + COLUMN * 8)
        if number_of != UNUSED and seen & number(entry + BIT * 8):
            column = out + number_of * stride
            value = number(column + at * 8)
            for row in range(first, last):
                store(column + row * 8, value)


@njit
def reverse(first, last, out, stride):
    """Turn the order of a frame's rows round."""
    for column in range(FRAME_AT):
        low, high = out + column * stride + first * 8, out + column * stride + (last - 1) * 8
        while low < high:
            value = number(low)
            store(low, number(high))
            store(high, value)
            low += 8
            high -= 8


@njit
def prefix_hash(p):
    """Mix six bits of a frame's first key and the end of its first value."""
    key_last = string_end(p + 2)
    last = string_end(key_last + 3)
    w = lowest(load(p + 2), key_last - p - 2) ^ ((load(last - 6) << U16) * MIX_2)
    return np.int64((w * MIX_1) >> U58)


# --- a frame, a page ----------------------------------------------------------------------


@njit
def read(
    p, end, plan, frame, row, room, out, scratch, nodes, slots, entries, words, fills, symbols, mask
):
    """Read a frame along a plan into rows from `row` on: the row after its last, or NO_FIT."""
    stride = (room + LEVELS) * 8  # of a column; objects around rows write to places behind the rows
    node = nodes + number(plan + ROOT * 8) * (NODE * 8)
    stack = scratch + STACK * 8
    level, in_list, opening = np.int64(0), np.int64(0), True
    seen, first, at, ahead = np.int64(0), row, row, entries
    p = after_space(p, end)
    while True:
        empty = False
        if opening:  # an object must begin here
            if byte(p) != OPEN:
                return NO_FIT
            p = after_space(p + 1, end)
            opening, empty = False, byte(p) == CLOSE
            seen, first, at = np.int64(0), row, room + level
            ahead = entries + number(node + ENTRIES * 8) * (ENTRY * 8)
            if number(node + IS_ROW * 8):
                if row >= room:
                    return NO_FIT
                at = row
                for i in range(number(node + FILL * 8), number(node + FILL_END * 8)):
                    fill = fills + i * 16
                    store(out + number(fill) * stride + row * 8, number(fill + 8))
        if not empty:
            entry = ahead
            if matches_at(p, entry + AHEAD * 8, entry + AHEAD_MASK * 8):  # the key declared next
                p = after_space(p + number(entry + AHEAD_BYTES * 8), end)
            else:
                if byte(p) != QUOTE:
                    return NO_FIT
                key = p + 1
                p = string_end(key)
                if byte(p) != QUOTE:
                    return NO_FIT
                entry, count = np.int64(0), p - key
                p = after_space(p + 1, end)
                if byte(p) != COLON:
                    return NO_FIT
                p = after_space(p + 1, end)
                if count <= LONGEST:
                    w0, w1, w2 = text_words(key, count)
                    entry = entry_of(w0, w1, w2, node, slots, entries)
            if entry == 0:
                p = value_end(p, end)
                if p == BAD:
                    return NO_FIT
            else:
                bit = number(entry + BIT * 8)
                if seen & bit:
                    return NO_FIT
                seen |= bit
                ahead = entry + ENTRY * 8
                action = number(entry + ACTION * 8)
                value = np.int64(0)
                if action == IS_DECIMAL or action == IS_DECIMAL_OR_ZERO:
                    if byte(p) != QUOTE:
                        return NO_FIT
                    real, p = decimal(p + 1)
                    if p == BAD or byte(p) != QUOTE:
                        return NO_FIT
                    if real == 0.0:
                        if action == IS_DECIMAL:
                            return NO_FIT
                        real = NAN
                    value = bits_of(real)
                    p += 1
                elif action == IS_WORD or action == IS_SYMBOL:
                    if byte(p) != QUOTE:
                        return NO_FIT
                    p += 1
                    if action == IS_WORD:
                        word = word_of(p, entry, words)
                        if word != 0:
                            value = number(word + WORD_VALUE * 8)
                            p += number(word + WORD_BYTES * 8)
                        else:  # does any other word mean something?
                            value = number(entry + B * 8)
                            p = string_end(p)
                            if byte(p) != QUOTE or number(entry + A * 8) == 0:
                                return NO_FIT
                            p += 1
                    else:
                        text = p
                        p = string_end(p)
                        count = p - text
                        if byte(p) != QUOTE or count > LONGEST:
                            return NO_FIT
                        w0, w1, w2 = text_words(text, count)
                        value = instrument_of(w0, w1, w2, symbols, mask)
                        p += 1
                elif action == IS_INTEGER:
                    value, p = integer(p)
                    if p == BAD:
                        return NO_FIT
                elif action == IS_MILLIS:
                    value, p = integer(p)
                    if p == BAD or value > MILLIS_MAX:
                        return NO_FIT
                    value *= MILLI
                elif action == IS_FLAG:
                    w = load(p)
                    if w & TRUE_MASK == TRUE:
                        value = number(entry + B * 8)
                        p += 4
                    elif w & FALSE_MASK == FALSE:
                        value = number(entry + A * 8)
                        p += 5
                    else:
                        return NO_FIT
                elif action == IS_TIME:
                    if byte(p) != QUOTE:
                        return NO_FIT
                    value, p = moment(p + 1, scratch)
                    if p == BAD or byte(p) != QUOTE:
                        return NO_FIT
                    p += 1
                elif action == IS_INTEGER_TEXT:
                    if byte(p) != QUOTE:
                        return NO_FIT
                    value, p = integer(p + 1)
                    if p == BAD or byte(p) != QUOTE:
                        return NO_FIT
                    p += 1
                elif action == SKIP:
                    p = value_end(p, end)
                    if p == BAD:
                        return NO_FIT
                elif action == OBJECT or action == ARRAY:
                    opening = True
                    if action == ARRAY:
                        if byte(p) != OPEN_LIST:
                            return NO_FIT
                        p = after_space(p + 1, end)
                        if byte(p) == CLOSE_LIST:
                            p += 1
                            opening = False
                    if opening:
                        store(stack, node)
                        store(stack + 8, seen)
                        store(stack + 16, first)
                        store(stack + 24, in_list)
                        store(stack + 32, ahead)
                        stack += AROUND * 8
                        level += 1
                        in_list = np.int64(action == ARRAY)
                        node = nodes + number(entry + A * 8) * (NODE * 8)
                        continue
                else:  # REFUSE
                    return NO_FIT
                store(out + number(entry + COLUMN * 8) * stride + at * 8, value)
            p = after_space(p, end)
            if byte(p) == COMMA:
                p = after_space(p + 1, end)
                continue
        while True:  # an object must end here, and perhaps those around it
            need = number(node + NEED * 8)
            if byte(p) != CLOSE or seen & need != need:
                return NO_FIT
            p += 1
            if number(node + IS_ROW * 8):
                store(out + FRAME_AT * stride + row * 8, frame)
                store(out + CHANNEL_AT * stride + row * 8, number(plan + CHANNEL * 8))
                row += 1
            else:
                copy_around(node, seen, at, first, row, out, stride, entries)
            p = after_space(p, end)
            if level == 0:
                return row if p == end else NO_FIT
            if in_list:
                if byte(p) == COMMA:
                    p = after_space(p + 1, end)
                    opening = True
                    break
                if byte(p) != CLOSE_LIST:
                    return NO_FIT
                p = after_space(p + 1, end)
            stack -= AROUND * 8
            level -= 1
            node, seen = number(stack), number(stack + 8)
            first, in_list = number(stack + 16), number(stack + 24)
            ahead, at = number(stack + 32), room + level
            if byte(p) == COMMA:
                p = after_space(p + 1, end)
                break


@compiled
def scan(page, size, page_starts, page_ends, page_status, page_out, thread_scratch, tables):
    """Read a page of frames: fills status and columns of rows, and says how many rows.

    Below zero where a frame is not within `size` bytes: then there is nothing to rely on.
    """
    data, starts, ends = page.ctypes.data, page_starts.ctypes.data, page_ends.ctypes.data
    status, out, scratch = page_status.ctypes.data, page_out.ctypes.data, thread_scratch.ctypes.data
    frames, room = len(page_starts), page_out.shape[1] - LEVELS
    plans, nodes, slots, entries, words, fills, symbols, limits = tables
    mask, row = number(limits + 8), np.int64(0)
    for frame in range(frames):
        begins_at, ends_at = number(starts + frame * 8), number(ends + frame * 8)
        if begins_at < 0 or ends_at < begins_at or ends_at > size:
            return np.int64(NO_FIT)
        p, end = data + begins_at, data + ends_at
        if p == end:
            store(status + frame * 8, HEARTBEAT)
            continue
        said = SLOW_PATH
        guess_at = scratch + GUESSES * 8
        if number(limits) > 1:
            guess_at += prefix_hash(p) * 8
        guess = number(guess_at)
        for turn in range(-1, number(limits)):
            if turn == guess:
                continue
            plan = plans + (guess if turn < 0 else turn) * (PLAN * 8)
            after = read(
                p,
                end,
                plan,
                frame,
                row,
                room,
                out,
                scratch,
                nodes,
                slots,
                entries,
                words,
                fills,
                symbols,
                mask,
            )
            if after < 0:
                continue
            if turn >= 0:
                store(guess_at, turn)
            if number(plan + TICK * 8) == 0:
                said = IGNORED
            elif after > row:
                said = DECODED
                if number(plan + REVERSED * 8):
                    reverse(row, after, out, (room + LEVELS) * 8)
                if after == row + 1 and number(out + row * 8) < 0:
                    said = UNLISTED  # most of what is not listed: no need to take it out later
                else:
                    row = after
            break
        store(status + frame * 8, said)
    return row
