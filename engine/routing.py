"""State keys that live where their partition is read, so that no page crosses to another worker.

Bytewax deals source partitions to workers in turn, in the order of their names there, and sends a
keyed item to worker `siphash13(key + 0xff) % workers`. A key salted so that its hash agrees with
its partition's turn stays local for 1 to 8 workers. A test holds this against the engine.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WORKERS_LCM = 840  # least common multiple of 1 .. 8 workers
Words = npt.NDArray[np.uint64]


def state_keys(partitions: Iterable[str]) -> dict[str, str]:
    """The state key of every partition, given in the order of their turns."""
    return {name: local_key(name, turn) for turn, name in enumerate(partitions)}


def local_key(name: str, turn: int) -> str:
    """The first salt of `name` that is dealt to the same worker as the partition of this turn."""
    begin, end = 0, 10
    while True:  # salts of as many digits: keys of one length are hashed together
        keys = [f"{name}~{salt}" for salt in range(begin, end)]
        dealt = siphash13([key.encode() + b"\xff" for key in keys]) % np.uint64(WORKERS_LCM)
        local = np.flatnonzero(dealt == turn % WORKERS_LCM).tolist()
        if local:
            return keys[local[0]]
        begin, end = end, 10 * end


def siphash13(texts: Sequence[bytes]) -> Words:
    """SipHash-1-3 with a zero key, as Rust's DefaultHasher, of texts of one length.

    Aumasson and Bernstein, 2012.
    """
    length = len(texts[0])
    padded = -(length + 1) % 8  # the last word ends in the length
    ending = bytes(padded) + bytes([length & 255])
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
    """One round of SipHash; words wrap around."""
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
    """64-bit words rotated left."""
    return words << np.uint64(bits) | words >> np.uint64(64 - bits)
