"""Lays plain records out: librdkafka's messages, read by address, become columns and one block.

    addresses   m   m   m   m   m        of rd_kafka_message_t, which own their payloads
                |   |   |   `-- a pack, an error, or wrong in any way: stops here
    block       aaaaabbbbbbbbccc~~~~~    payloads, one behind the other; the messages are destroyed
    log_ns      t   t   t

A message is plain where log_times of frames.py would take it, and it has no pack header. All others
are left to Python, which also finds the words for what is wrong.
"""

# Words are numpy's numbers of 64 bits, in a kernel as in plain Python:
# mypy: disable-error-code="arg-type"

from typing import Any, NamedTuple

import numpy as np

from tapeflow.engine.compiled import compiled, inlined
from tapeflow.engine.memory import byte, call, copy_bytes, half, load
from tapeflow.schemas.columns import Bytes, Ints, Ints2, Written

ERR, PAYLOAD, LENGTH, OFFSET = 0, 24, 32, 56  # of MessageStruct in librdkafka.py
OFFSETS, LOG_NS, STARTS, ENDS = range(4)  # columns
DESTROY = 3  # place of a function's address, behind those of Functions
TIME_MIN_MS, TIME_END_MS, NS_PER_MS = 946_684_800_000, 7_258_118_400_000, 1_000_000  # frames.py
(N, S), (P, A, C, K) = b"ns", b"pack"
NS_DIGITS, ZERO = 6, ord("0")
OTHER = np.int64(-1)  # instead of a log time
LOWER_HALF = 0xFFFFFFFF  # of a result of 32 bits


class Functions(NamedTuple):
    """What reads a message: addresses of librdkafka's functions, and of memory for results."""

    timestamp: int
    headers: int
    header: int
    scratch: int  # five words: kind of timestamp, list of headers; name, value, size of one


@inlined
def word(address: int) -> Any:
    """Load eight bytes at an address as a signed integer."""
    return np.int64(load(address))


@inlined
def is_ns(name: int) -> bool:
    """Return whether a header is named NS_HEADER."""
    return byte(name) == N and byte(name + 1) == S and byte(name + 2) == 0


@inlined
def is_pack(name: int) -> bool:
    """Return whether a header has the name of PACK_HEADER."""
    begins = byte(name) == P and byte(name + 1) == A
    return begins and byte(name + 2) == C and byte(name + 3) == K and byte(name + 4) == 0


@inlined
def digits_of(value: int, size: int) -> Any:
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
def ns_of_headers(headers: int, functions: Functions) -> Any:
    """Return what the first header ns says, 0 without one; OTHER of a pack or a malformed one."""
    rest, found, index = np.int64(0), False, np.int64(0)
    scratch = functions.scratch
    name, value, size = scratch + 16, scratch + 24, scratch + 32
    while rest != OTHER:
        if call(functions.header, (headers, index, name, value, size)) & LOWER_HALF != 0:
            break
        if is_pack(word(name)):
            rest = OTHER
        elif not found and is_ns(word(name)):
            rest, found = digits_of(word(value), word(size)), True
        index += 1
    return rest


@inlined
def log_time_of(message: int, functions: Functions) -> Any:
    """Return the log time of a plain record as it was written, ns; OTHER of anything else."""
    scratch = functions.scratch
    if half(message + ERR) != 0:
        return OTHER
    ms = call(functions.timestamp, (message, scratch))
    if half(scratch) == 0 or ms < TIME_MIN_MS or ms >= TIME_END_MS:
        return OTHER
    rest = np.int64(0)
    if call(functions.headers, (message, scratch + 8)) & LOWER_HALF == 0:
        rest = ns_of_headers(word(scratch + 8), functions)
    return OTHER if rest == OTHER else ms * NS_PER_MS + rest


@compiled
def lay_out(
    messages: Written[Ints], addresses: Ints, scratch: Written[Ints], block: Written[Bytes],
    room: int, columns: Written[Ints2],
) -> int:  # fmt: skip
    """Lay the first records out and destroy them; return how many, or -n: n are not plain.

    `messages`: (n,) addresses, then 0. `addresses`: (4,), of Functions, then DESTROY. `scratch`:
    (5,). `block`: `room` bytes for payloads, or more. `columns`: (4, n), by OFFSETS .. ENDS.
    """
    memory, begin, at = np.int64(scratch.ctypes.data), np.int64(block.ctypes.data), np.int64(0)
    functions = Functions(addresses[0], addresses[1], addresses[2], memory)
    plain, others = 0, 0
    for message in messages:
        size, time = word(message + LENGTH), log_time_of(message, functions)
        if time == OTHER and not plain:
            others += 1
            continue
        if time == OTHER or others or at + size > room:
            break
        copy_bytes(begin + at, word(message + PAYLOAD), size)
        columns[OFFSETS, plain], columns[LOG_NS, plain] = word(message + OFFSET), time
        columns[STARTS, plain], columns[ENDS, plain], messages[plain] = at, at + size, 0
        call(addresses[DESTROY], (message,))
        at, plain = at + size, plain + 1
    return plain - others
