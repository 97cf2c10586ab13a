"""State keys that live where their partition is read, so that no page crosses to another worker.

Bytewax deals source partitions to workers in turn, in the order of their names there, and sends a
keyed item to worker `siphash13(key + 0xff) % workers`. A key salted so that its hash agrees with
its partition's turn stays local for 1 to 8 workers. A test holds this against the engine.
"""

from collections.abc import Iterable

TURNS = 840  # least common multiple of 1 .. 8 workers
MASK = (1 << 64) - 1


def state_keys(partitions: Iterable[str]) -> dict[str, str]:
    """The state key of every partition, given in the order of their turns."""
    return {name: local_key(name, turn) for turn, name in enumerate(partitions)}


def local_key(name: str, turn: int) -> str:
    """The first salt of `name` that is dealt to the same worker as the partition of this turn."""
    salt = 0
    while siphash13(f"{name}~{salt}".encode() + b"\xff") % TURNS != turn % TURNS:
        salt += 1
    return f"{name}~{salt}"


def siphash13(data: bytes) -> int:
    """SipHash-1-3 with a zero key, as Rust's DefaultHasher: Aumasson and Bernstein, 2012."""
    state = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append((len(data) & 255) << 56 | int.from_bytes(data[whole:], "little"))
    for word in words:
        state[3] ^= word
        sip_round(state)
        state[0] ^= word
    state[2] ^= 0xFF
    for _ in range(3):
        sip_round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def sip_round(v: list[int]) -> None:
    """One round of SipHash, in place."""
    v[0] = (v[0] + v[1]) & MASK
    v[1] = rotated(v[1], 13) ^ v[0]
    v[0] = rotated(v[0], 32)
    v[2] = (v[2] + v[3]) & MASK
    v[3] = rotated(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & MASK
    v[3] = rotated(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & MASK
    v[1] = rotated(v[1], 17) ^ v[2]
    v[2] = rotated(v[2], 32)


def rotated(word: int, bits: int) -> int:
    """A 64-bit word rotated left."""
    return (word << bits | word >> 64 - bits) & MASK
