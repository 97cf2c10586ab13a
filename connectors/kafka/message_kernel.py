"""Lays plain records out: librdkafka's messages, read by address, become columns and one block.

    addresses   m   m   m   m   m        of rd_kafka_message_t, which own their payloads
                |   |   |   `-- a pack, an error, or wrong in any way: stops here
    block       aaaaabbbbbbbbccc~~~~~    payloads, one behind the other; the messages are destroyed
    log_ns      t   t   t

A message is plain where log_times of frames.py would take it, and it has no pack header. All others
are left to Python, which also finds the words for what is wrong.
"""

# numba and llvmlite have no types that mypy knows, and an @intrinsic is rewritten by numba:
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call,no-any-return"
# mypy: disable-error-code="call-arg,arg-type,var-annotated"

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tapeflow.engine.compiled import compiled, inlined
from tapeflow.schemas.columns import Bytes, Ints

ERR, PAYLOAD, LENGTH, OFFSET = 0, 24, 32, 56  # of MessageStruct in librdkafka.py
OFFSETS, LOG_NS, STARTS, ENDS = range(4)  # columns
DESTROY = 3  # place of a function's address, behind those of Call
TIME_MIN_MS, TIME_END_MS, NS_PER_MS = 946_684_800_000, 7_258_118_400_000, 1_000_000  # frames.py
(N, S), (P, A, C, K) = b"ns", b"pack"
NS_DIGITS, ZERO = 6, ord("0")
OTHER = np.int64(-1)  # instead of a log time
BYTE, INT64 = ir.IntType(8), ir.IntType(64)


class Call(NamedTuple):
    """What reads a message: addresses of librdkafka's functions, and of memory for results."""

    timestamp: int
    headers: int
    header: int
    scratch: int  # five words: kind of timestamp, list of headers; name, value, size of one


def _call(bits):
    """Return a generator of calls of a C function by its address; it returns `bits` bits, or 0."""

    def generate(context, builder, signature, arguments):
        result = ir.IntType(bits) if bits else ir.VoidType()
        kind = ir.FunctionType(result, [INT64] * (len(arguments) - 1))
        value = builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return builder.sext(value, INT64) if bits else ir.Constant(INT64, 0)

    return generate


@intrinsic
def call_timestamp(context, function, message, kind_at):
    """Call rd_kafka_message_timestamp."""
    return types.int64(types.int64, types.int64, types.int64), _call(64)


@intrinsic
def call_headers(context, function, message, headers_at):
    """Call rd_kafka_message_headers: 0 where there are some."""
    return types.int64(types.int64, types.int64, types.int64), _call(32)


@intrinsic
def call_header(context, function, headers, index, name_at, value_at, size_at):
    """Call rd_kafka_header_get_all: 0 where there is a header of that index."""
    return types.int64(*[types.int64] * 6), _call(32)


@intrinsic
def call_destroy(context, function, message):
    """Call rd_kafka_message_destroy."""
    return types.int64(types.int64, types.int64), _call(0)


@intrinsic
def copy(context, to, source, size):
    """Copy bytes from one address to another."""

    def generate(context, builder, signature, arguments):
        to, source = (builder.inttoptr(each, BYTE.as_pointer()) for each in arguments[:2])
        cgutils.raw_memcpy(builder, to, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


def _load(bits):
    """Return a generator of loads of so many bits from an address; a byte has no sign."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer())
        return (builder.zext if bits == 8 else builder.sext)(builder.load(pointer, align=1), INT64)

    return generate


@intrinsic
def word(context, address):
    """Load eight bytes at an address."""
    return types.int64(types.int64), _load(64)


@intrinsic
def half_word(context, address):
    """Load four bytes at an address as a signed integer."""
    return types.int64(types.int64), _load(32)


@intrinsic
def byte(context, address):
    """Load one byte at an address, 0 .. 255."""
    return types.int64(types.int64), _load(8)


@inlined
def is_ns(name):
    """Return whether a header is named NS_HEADER."""
    return byte(name) == N and byte(name + 1) == S and byte(name + 2) == 0


@inlined
def is_pack(name):
    """Return whether a header has the name of PACK_HEADER."""
    begins = byte(name) == P and byte(name + 1) == A
    return begins and byte(name + 2) == C and byte(name + 3) == K and byte(name + 4) == 0


@inlined
def digits_of(value, size):
    """Return the number that 1 to NS_DIGITS digits make; OTHER for anything else."""
    if value == 0 or size < 1 or size > NS_DIGITS:
        return OTHER
    total = np.int64(0)
    for at in range(size):
        digit = byte(value + at) - ZERO
        if digit < 0 or digit > 9:
            return OTHER
        total = total * 10 + digit
    return total


@inlined
def ns_of_headers(headers, call):
    """Return what the first header ns says, 0 without one; OTHER of a pack or a malformed one."""
    rest, found, index = np.int64(0), False, np.int64(0)
    name, value, size = call.scratch + 16, call.scratch + 24, call.scratch + 32
    while rest != OTHER and call_header(call.header, headers, index, name, value, size) == 0:
        if is_pack(word(name)):
            rest = OTHER
        elif not found and is_ns(word(name)):
            rest, found = digits_of(word(value), word(size)), True
        index += 1
    return rest


@inlined
def log_time_of(message, call):
    """Return the log time of a plain record as it was written, ns; OTHER of anything else."""
    if half_word(message + ERR) != 0:
        return OTHER
    ms = call_timestamp(call.timestamp, message, call.scratch)
    if half_word(call.scratch) == 0 or ms < TIME_MIN_MS or ms >= TIME_END_MS:
        return OTHER
    rest = np.int64(0)
    if call_headers(call.headers, message, call.scratch + 8) == 0:
        rest = ns_of_headers(word(call.scratch + 8), call)
    return OTHER if rest == OTHER else ms * NS_PER_MS + rest


@compiled
def lay_out(
    messages: Ints, functions: Ints, scratch: Ints, block: Bytes, room: int, columns: Ints
) -> int:
    """Lay the first records out and destroy them; return how many, or -n: n are not plain.

    `messages`: (n,) addresses, then 0. `functions`: (4,), of Call and DESTROY. `scratch`: (5,).
    `block`: `room` bytes for payloads, or more. `columns`: (4, n), by OFFSETS .. ENDS.
    """
    memory, begin, at = np.int64(scratch.ctypes.data), np.int64(block.ctypes.data), np.int64(0)
    call, plain, others = Call(functions[0], functions[1], functions[2], memory), 0, 0
    for message in messages:
        size, time = word(message + LENGTH), log_time_of(message, call)
        if time == OTHER and not plain:
            others += 1
            continue
        if time == OTHER or others or at + size > room:
            break
        copy(begin + at, word(message + PAYLOAD), size)
        columns[OFFSETS, plain], columns[LOG_NS, plain] = word(message + OFFSET), time
        columns[STARTS, plain], columns[ENDS, plain], messages[plain] = at, at + size, 0
        call_destroy(functions[DESTROY], message)
        at, plain = at + size, plain + 1
    return plain - others
