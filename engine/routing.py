"""State keys that the engine routes to the worker which reads their partition.

    partition 5 of the source  --read by-->  worker 5 % workers
    key "coinbase-0~17"        --sent to-->  worker siphash13(key + 0xff) % workers

Bytewax assigns source partitions to workers round-robin, in the order of their names, and a keyed
item by the hash of its key. A key salted so that its hash agrees with its partition's index stays
on the same worker for 1 to 8 workers, so no page crosses to another. A test compares this with the
engine.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from tapeflow.schemas.columns import Bytes

WORKERS_LCM = 840  # least common multiple of 1 .. 8 workers
SALTS = 500  # hashed at once: one of WORKERS_LCM fits
Words = npt.NDArray[np.uint64]
FIRST, SECOND, HALF = (  # bits by which words are rotated in a round of SipHash
    np.array(bits, np.uint64).reshape(-1, 1) for bits in ([13, 16], [21, 17], [32])
)


def state_keys(partitions: Iterable[str]) -> dict[str, str]:
    """Return the state key of every partition; `partitions` are in the order of the source."""
    return {name: local_key(name, index) for index, name in enumerate(partitions)}


def local_key(name: str, index: int) -> str:
    """Return `name` with the first salt that routes it to the worker of partition `index`."""
    for salts in salt_ranges():
        routes = siphash13(add_salts(name, salts)) % np.uint64(WORKERS_LCM)
        local = np.flatnonzero(routes == index % WORKERS_LCM)
        if len(local):
            return f"{name}~{salts[int(local[0])]}"
    raise AssertionError("the salts have no end")


def salt_ranges() -> Iterator[range]:
    """Yield all salts in their order, at most SALTS of one length at a time."""
    begin, end = 0, 10
    while True:
        yield from (range(at, min(at + SALTS, end)) for at in range(begin, end, SALTS))
        begin, end = end, 10 * end


def add_salts(name: str, salts: range) -> Bytes:
    """Return `name` with each of these salts, as Rust hashes it: (salts, bytes) uint8.

    All salts have the same number of digits.
    """
    prefix, digits = f"{name}~".encode(), len(str(salts[0]))
    rows = np.empty((len(salts), len(prefix) + digits + 1), np.uint8)
    rows[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    numbers = np.arange(salts.start, salts.stop)
    for place in range(digits):
        rows[:, -2 - place] = numbers // 10**place % 10 + ord("0")
    rows[:, -1] = 0xFF
    return rows


def siphash13(texts: Bytes) -> Words:
    """Return the SipHash-1-3 of each text under a zero key, as Rust's DefaultHasher.

    `texts` are (texts, length) uint8; the result is (texts,) uint64. Source: Aumasson and
    Bernstein, "SipHash: a fast short-input PRF", 2012.
    """
    count, length = texts.shape
    padded = np.zeros((count, length // 8 * 8 + 8), np.uint8)
    padded[:, :length] = texts
    padded[:, -1] = length & 255
    words = padded.view("<u8")
    even = np.empty((2, count), np.uint64)  # of the four state words v0 and v2
    odd = np.empty((2, count), np.uint64)  # v1 and v3
    even[:] = np.array([[0x736F6D6570736575], [0x6C7967656E657261]], np.uint64)
    odd[:] = np.array([[0x646F72616E646F6D], [0x7465646279746573]], np.uint64)
    for word in words.T:
        odd[1] ^= word
        sip_round(even, odd)
        even[0] ^= word
    even[1] ^= np.uint64(0xFF)
    for _ in range(3):
        sip_round(even, odd)
    hashed: Words = even[0] ^ even[1] ^ odd[0] ^ odd[1]
    return hashed


def sip_round(even: Words, odd: Words) -> None:
    """Apply one SipHash round in place to the state words (v0, v2) and (v1, v3); sums wrap."""
    even += odd
    rotate(odd, FIRST)
    odd ^= even
    rotate(even[:1], HALF)
    crossed = odd[::-1]  # now v0 takes v3, and v2 takes v1
    even += crossed
    rotate(crossed, SECOND)
    crossed ^= even
    rotate(even[1:], HALF)


def rotate(words: Words, bits: Words) -> None:
    """Rotate 64-bit words in place: left by `bits`, of all rows or of each."""
    low = words >> (64 - bits)
    words <<= bits
    words |= low
