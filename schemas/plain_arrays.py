"""Arrays in the state of a user's class, as msgpack stores them: type, shape, bytes."""

from typing import Any

import numpy as np

STORED = ("<f8", "<i8")  # float64, int64


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
