"""Numbers as compact text: columns of integers, deflated, in base64.

The page opens them by DecompressionStream. Candles are planes of ticks, each a difference that is
small: steps of time, open - close before, close - open, wicks above and below.
"""

import base64
import json
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

INT32_MAX = 2**31 - 1
NOISE = 1e-9  # a price is a multiple of a step where float64 says no more against it
LEVEL = 6  # of zlib: 9 takes three times as long for 5 % less
FINER = 4  # times a step is divided by ten where prices are off it

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def deflate(raw: bytes) -> str:
    """Return bytes as text of base64, deflated: the same on each machine with this zlib."""
    return base64.b64encode(zlib.compress(raw, LEVEL)).decode()


def pack_json(value: Any) -> str:
    """Return a value as deflated JSON, in base64.

    >>> import base64, zlib
    >>> zlib.decompress(base64.b64decode(pack_json({"a": [1, 2]})))
    b'{"a":[1,2]}'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return deflate(text.encode())


def pack_bars(times: Ints, prices: Floats, volume: Floats, tick: float) -> dict[str, Any]:
    """Return bars as planes: n, unit (ns), step, z.

    `times` are ns; `prices` has open, high, low, close as its four rows. Prices off the tick take a
    finer step; prices of no step at all stay float64, with step 0.
    """
    unit = time_unit(times)
    steps = np.diff(times // unit, prepend=0)
    shared = {"n": len(times), "unit": unit}
    step = step_of(prices, tick)
    head = steps.astype(np.float64).tobytes()
    tail = volume.astype(np.float32).tobytes()
    if step:
        planes = [plane.astype(np.int32).tobytes() for plane in differences(prices, step)]
    else:
        planes = [np.ascontiguousarray(row).tobytes() for row in prices]
    return {**shared, "step": step or 0, "z": deflate(b"".join([head, *planes, tail]))}


def time_unit(times: Ints) -> int:
    """Return the largest of s, ms, µs and ns of which all times are multiples, in ns."""
    return next(unit for unit in (10**9, 10**6, 10**3, 1) if not np.any(times % unit))


def step_of(prices: Floats, tick: float) -> float | None:
    """Return the tick, or a finer step, of which all prices are multiples; None where none is."""
    for power in range(FINER):
        inverse = 10.0**power / tick
        whole = np.rint(prices * inverse)
        fits = np.abs(whole / inverse - prices) <= NOISE * np.abs(prices)
        if bool(np.all(fits)) and float(np.max(np.abs(whole), initial=0)) < INT32_MAX // 2:
            return 1 / inverse
    return None


def differences(prices: Floats, step: float) -> list[Ints]:
    """Return open - close before, close - open, and the wicks above and below, in steps."""
    opened, high, low, close = (np.rint(row / step).astype(np.int64) for row in prices)
    before = np.concatenate([[0], close[:-1]])
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    return [opened - before, close - opened, high - top, bottom - low]
