"""All views that a results file has, each behind those that it reads."""

from tapeflow.connectors.duckdb.views.days import EXPOSURE, PNL_DAILY
from tapeflow.connectors.duckdb.views.orders import ORDER_STATES, REFUSALS_BY_REASON, WHY_ORDER
from tapeflow.connectors.duckdb.views.quality import OFF_STEP, RECOGNISED_CHANNELS, UNLISTED
from tapeflow.connectors.duckdb.views.slippage import SLIPPAGE
from tapeflow.connectors.duckdb.views.tearsheet import TEARSHEET
from tapeflow.connectors.duckdb.views.trips import HIT_RATE, ROUND_TRIPS

VIEWS = (
    ORDER_STATES,
    WHY_ORDER,
    ROUND_TRIPS,
    HIT_RATE,
    PNL_DAILY,
    EXPOSURE,
    TEARSHEET,
    SLIPPAGE,
    REFUSALS_BY_REASON,
    OFF_STEP,
    RECOGNISED_CHANNELS,
    UNLISTED,
)
