"""The oracle of features: TA-Lib. Where it has none, feature_windows.py.

FROM_TALIB["macd"](bars, fast=12, slow=26, signal=9)  ->  an array for each output
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import talib

from tapeflow.schemas.columns import Floats
from tapeflow.schemas.market import Bars

Oracle = Callable[..., tuple[Floats, ...]]
MA = talib.MA_Type  # type: ignore[attr-defined]  # its stubs do not say it


def single(function: Any, *columns: str) -> Oracle:
    """Return the oracle of a function of TA-Lib over these columns, its parameters by position."""

    def oracle(bars: Bars, **params: float) -> tuple[Floats, ...]:
        found = function(*(getattr(bars, each) for each in columns), *params.values())
        return found if isinstance(found, tuple) else (found,)

    return oracle


def several(*oracles: Oracle) -> Oracle:
    """Return an oracle with the outputs of several."""
    return lambda bars, **params: tuple(
        output for each in oracles for output in each(bars, **params)
    )


# --- TA-Lib, its functions combined -------------------------------------------------------


def stochrsi(bars: Bars, period: int, window: int, signal: int) -> tuple[Floats, ...]:
    """Return %K and %D of RSI."""
    return tuple(talib.STOCHRSI(bars.close, period, window, signal))


def stoch(bars: Bars, period: int, slow: int, signal: int) -> tuple[Floats, ...]:
    """Return slow %K and %D."""
    return tuple(talib.STOCH(bars.high, bars.low, bars.close, period, slow, MA.SMA, signal, MA.SMA))


def aroon(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return up, down, and their distance."""
    down, up = talib.AROON(bars.high, bars.low, period)
    return up, down, talib.AROONOSC(bars.high, bars.low, period)


def keltner(bars: Bars, period: int, range_period: int, factor: float) -> tuple[Floats, ...]:
    """Return EMA, and ATR around it."""
    middle = talib.EMA(bars.close, period)
    width = factor * talib.ATR(bars.high, bars.low, bars.close, range_period)
    return middle + width, np.where(np.isnan(width), np.nan, middle), middle - width


def donchian(bars: Bars, period: int) -> tuple[Floats, ...]:
    """Return MAX and MIN, and their middle."""
    top, bottom = talib.MAX(bars.high, period), talib.MIN(bars.low, period)
    return top, (top + bottom) / 2, bottom


def ppo(bars: Bars, fast: int, slow: int) -> tuple[Floats, ...]:
    """Return PPO and APO of exponential averages."""
    return talib.PPO(bars.close, fast, slow, MA.EMA), talib.APO(bars.close, fast, slow, MA.EMA)


HLC, HLCV = ("high", "low", "close"), ("high", "low", "close", "volume")
FROM_TALIB: dict[str, Oracle] = {
    "sma": single(talib.SMA, "close"),
    "ema": single(talib.EMA, "close"),
    "wma": single(talib.WMA, "close"),
    "dema": single(talib.DEMA, "close"),
    "tema": single(talib.TEMA, "close"),
    "trima": single(talib.TRIMA, "close"),
    "kama": single(talib.KAMA, "close"),
    "t3": single(talib.T3, "close"),
    "midprice": single(talib.MIDPRICE, "high", "low"),
    "rsi": several(single(talib.RSI, "close"), single(talib.CMO, "close")),
    "mom": several(single(talib.MOM, "close"), single(talib.ROC, "close")),
    "macd": single(talib.MACD, "close"),
    "ppo": ppo,
    "cci": single(talib.CCI, *HLC),
    "bop": single(talib.BOP, "open", *HLC),
    "stoch": stoch,
    "stochrsi": stochrsi,
    "willr": single(talib.WILLR, *HLC),
    "ultosc": single(talib.ULTOSC, *HLC),
    "adx": several(
        *(single(each, *HLC) for each in (talib.ADX, talib.DX, talib.PLUS_DI, talib.MINUS_DI))
    ),
    "sar": single(talib.SAR, "high", "low"),
    "aroon": aroon,
    "trix": single(talib.TRIX, "close"),
    "tr": single(talib.TRANGE, *HLC),
    "atr": several(single(talib.ATR, *HLC), single(talib.NATR, *HLC)),
    "keltner": keltner,
    "donchian": donchian,
    "obv": single(talib.OBV, "close", "volume"),
    "ad": single(talib.AD, *HLCV),
    "adosc": single(talib.ADOSC, *HLCV),
    "mfi": single(talib.MFI, *HLCV),
    "stddev": single(talib.STDDEV, "close"),
    "bbands": lambda bars, period, factor: tuple(
        talib.BBANDS(bars.close, period, factor, factor, MA.SMA)
    ),
    "linreg": several(single(talib.LINEARREG, "close"), single(talib.LINEARREG_SLOPE, "close")),
}
