"""Memory by its address, for kernels that read text a word at a time.

    load(p)          eight bytes, uint64        store(p, v)      eight bytes of an int64
    byte(p)          one byte, 0 .. 255         find_byte(p, b, size)   as memchr of C
    half(p)          four bytes, signed         copy_bytes(to, p, size)
    bits_of(x)       the bits of a float64      zeros_below(w)   bits below the lowest one
    call(f, (a, b))  the function of C at an address
    digit_bits(p)    which of 16 bytes are      stop_bits(p)     .. end plain text in JSON
                     digits

In a kernel each is an instruction or a few (memory_code.py, block_code.py). As plain Python they do
the same through ctypes, slowly. Addresses may be unaligned but for `store`; nothing checks them.
"""

import ctypes
import struct
from typing import Any

import numpy as np


def load(address: int) -> Any:
    """Return the eight bytes at an address."""
    return np.uint64(ctypes.c_uint64.from_address(address).value)


def byte(address: int) -> int:
    """Return the byte at an address."""
    return ctypes.c_uint8.from_address(address).value


def half(address: int) -> int:
    """Return the four bytes at an address as a signed integer."""
    return ctypes.c_int32.from_address(address).value


def store(address: int, value: int) -> None:
    """Write a signed integer of eight bytes to an address."""
    ctypes.c_int64.from_address(address).value = value


def bits_of(value: float) -> int:
    """Return the bits of a float64 as a signed integer."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def zeros_below(word: Any) -> Any:
    """Return how many bits are below the lowest one of a uint64, which is not zero."""
    return np.uint64((int(word) & -int(word)).bit_length() - 1)


def find_byte(address: int, wanted: int, size: int) -> int:
    """Return the address of the first byte of this value, 0 if `size` bytes hold none."""
    at = ctypes.string_at(address, size).find(bytes((wanted,)))
    return address + at if at >= 0 else 0


def digit_bits(address: int) -> Any:
    """Return which of sixteen bytes are digits, the first one as the lowest bit of a uint64."""
    text = ctypes.string_at(address, 16)
    return np.uint64(sum((0x30 <= each <= 0x39) << at for at, each in enumerate(text)))


def stop_bits(address: int) -> Any:
    """Return which of sixteen bytes are no plain text in JSON: quotes, control, not ASCII, ..."""
    text = ctypes.string_at(address, 16)
    stops = (not 0x20 <= each < 0x80 or each in b'"\\' for each in text)
    return np.uint64(sum(each << at for at, each in enumerate(stops)))


def copy_bytes(to: int, source: int, size: int) -> None:
    """Copy bytes from one address to another."""
    ctypes.memmove(to, source, size)


def call(function: int, arguments: tuple[int, ...]) -> int:
    """Call the function of C at an address with integers and addresses; return 64 bits.

    Of a result of 32 bits only the lower half means anything.
    """
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))
    return int(kind(function)(*arguments))
