"""The state of a user's class as msgpack; arrays in it as type, shape and bytes."""

from functools import cache
from typing import Any

import msgspec
import numpy as np

STORED = ("<f8", "<i8")  # float64, int64


@cache
def state_decoder(kind: type) -> "msgspec.msgpack.Decoder[Any]":
    """Return the decoder of a class of states.

    To be called before there are threads: msgspec describes a class at its first use, without a
    lock. Raises TypeError for a class that msgspec can't read.
    """
    return msgspec.msgpack.Decoder(kind, dec_hook=decode_array)


def encode_array(value: Any) -> Any:
    """Return an array of float64 or int64 as type, shape and bytes. Raises TypeError for others."""
    if isinstance(value, np.ndarray) and value.dtype.str in STORED:
        return [value.dtype.str, list(value.shape), value.tobytes()]
    raise TypeError(f"a {type(value).__name__} is no plain value")


def decode_array(kind: Any, value: Any) -> Any:
    """Return the array of its type, shape and bytes. Raises TypeError where it should be none."""
    if kind is np.ndarray or getattr(kind, "__origin__", None) is np.ndarray:
        dtype, shape, encoded = value
        return np.frombuffer(encoded, dtype).reshape(shape).copy()
    raise TypeError(f"{kind} is no plain type")
