"""State keys that the engine routes to the worker which reads their partition.

    partition 5 of the source  --read by-->  worker 5 % workers
    key "coinbase-0~17"        --sent to-->  worker siphash13(key + 0xff) % workers

Bytewax assigns source partitions to workers round-robin, in the order of their names, and a keyed
item by the hash of its key. A key salted so that its hash agrees with its partition's index stays
on the same worker for 1 to 8 workers, so no page crosses to another. A test compares this with the
engine.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WORKERS_LCM = 840  # least common multiple of 1 .. 8 workers
Words = npt.NDArray[np.uint64]


def state_keys(partitions: Iterable[str]) -> dict[str, str]:
    """Return the state key of every partition; `partitions` are in the order of the source."""
    return {name: local_key(name, index) for index, name in enumerate(partitions)}


def local_key(name: str, index: int) -> str:
    """Return `name` with the first salt that routes it to the worker of partition `index`."""
    begin, end = 0, 10
    while True:  # salts of equal length: keys of one length are hashed together
        keys = [f"{name}~{salt}" for salt in range(begin, end)]
        routes = siphash13([key.encode() + b"\xff" for key in keys]) % np.uint64(WORKERS_LCM)
        local = np.flatnonzero(routes == index % WORKERS_LCM).tolist()
        if local:
            return keys[local[0]]
        begin, end = end, 10 * end


def siphash13(texts: Sequence[bytes]) -> Words:
    """Return the SipHash-1-3 of each text under a zero key, as Rust's DefaultHasher.

    `texts` are all of one length; the result is (len(texts),) uint64. Source: Aumasson and
    Bernstein, "SipHash: a fast short-input PRF", 2012.
    """
    length = len(texts[0])
    padding = -(length + 1) % 8  # the last byte of the last word is the length
    ending = bytes(padding) + bytes([length & 255])
    words = np.frombuffer(b"".join(text + ending for text in texts), "<u8")
    seeds = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state: list[Words] = [np.full(len(texts), seed, np.uint64) for seed in seeds]
    for word in words.reshape(len(texts), -1).T:
        state[3] = state[3] ^ word
        sip_round(state)
        state[0] = state[0] ^ word
    state[2] = state[2] ^ np.uint64(0xFF)
    for _ in range(3):
        sip_round(state)
    hashed: Words = state[0] ^ state[1] ^ state[2] ^ state[3]
    return hashed


def sip_round(v: list[Words]) -> None:
    """Apply one SipHash round in place to the four state words; additions wrap around."""
    v[0] = v[0] + v[1]
    v[1] = rotl(v[1], 13) ^ v[0]
    v[0] = rotl(v[0], 32)
    v[2] = v[2] + v[3]
    v[3] = rotl(v[3], 16) ^ v[2]
    v[0] = v[0] + v[3]
    v[3] = rotl(v[3], 21) ^ v[0]
    v[2] = v[2] + v[1]
    v[1] = rotl(v[1], 17) ^ v[2]
    v[2] = rotl(v[2], 32)


def rotl(words: Words, bits: int) -> Any:
    """Rotate 64-bit words left by `bits`."""
    return words << np.uint64(bits) | words >> np.uint64(64 - bits)
