"""The sections of a job file: every key with its type, default, unit and meaning.

[normalise]
hole = "1m"         ->  Job.normalise.hole == 60_000_000_000

Durations are nanoseconds here, text in the file. [bars] is in bars.py, [paper] in paper.py, and so
on; docs/reference/configuration.md is generated from all of them.
"""

from typing import Annotated, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from tapeflow.flows.job.duration import Duration, Limit, within
from tapeflow.flows.job.money import DecimalText


class Unit(NamedTuple):
    """The unit of a number in the job file; durations name their own."""

    name: str


Span = Annotated[Duration, Field(gt=0)]
Delay = Annotated[Duration, Field(ge=0)]


class Section(BaseModel):
    """A table of the TOML file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dedupe(Section):
    """Removal of duplicate trades."""

    window: Annotated[int, Field(gt=0, le=10**9), Unit("records")] = Field(
        default=8192,
        description="A trade is a duplicate if its id was seen among this many last records of "
        "its partition.",
    )


class Normalise(Section):
    """Scores of returns, for strategies that read them."""

    window: Annotated[int, Field(ge=2, le=100_000), Unit("bars")] = Field(
        default=60, description="Length of the window of mean and standard deviation."
    )
    hole: Limit = Field(
        default=600_000_000_000,
        description="A bar that begins later than this after the end of its instrument's last one "
        "has no return: the price went on unseen. `none`: every bar has one.",
    )


class Source(Section):
    """How the log is read. No result depends on these keys, but for `step`."""

    page_records: Annotated[int, Field(gt=0, le=10**6), Unit("records")] = Field(
        default=20_000, description="Largest number of records read in one step."
    )
    max_lead: Span = Field(
        default=60_000_000_000,
        description="How far a partition may be read ahead of the slowest one, in log time.",
    )
    step: Delay = Field(
        default=600_000_000_000,
        description="A record further ahead of the one before it than this is believed only if the "
        "next one confirms its log time; else it is held, and counted. `0s`: each is believed.",
    )
    stall_warning: Span = Field(
        default=1_000_000_000,
        description="Warn of a partition that has delayed all others for this long. `run` only.",
    )
    heartbeat_after: Annotated[Duration, within("1ms", "1d")] = Field(
        default=100_000_000,
        description="Write a heartbeat into a partition after this much silence, from 1ms to 1d. "
        "`run --heartbeats` only.",
    )


class Results(Section):
    """What is written to DuckDB and Kafka."""

    equity_interval: Span = Field(
        default=60_000_000_000,
        validation_alias=AliasChoices("equity_interval", "sample"),
        description="Time between two rows of `equity`, in log time.",
    )
    stale_mark: Span = Field(
        default=60_000_000_000,
        description="A row of `equity` names the time of its oldest mark where that is older.",
    )
    money_digits: Annotated[int | None, Field(ge=0, le=12), Unit("decimal places")] = Field(
        default=None,
        description="Rounding of fees and profit. Left out: 8, or what one tick of a fill needs.",
    )
    position_values: bool = Field(
        default=True,
        description="Rows of `positions` also say the account's net, the mark with its time, and "
        "the unrealized profit.",
    )
    order_events: bool = Field(
        default=True,
        description="Write `order_events` and `commands`: each step in the life of an order, and "
        "what was asked of the venue.",
    )
    quotes: bool = Field(
        default=True,
        description="Decisions and fills have the best bid and ask that were shown then, against "
        "which the view `slippage` measures.",
    )


class Metrics(Section):
    """Metrics of a run for Prometheus, at `http://HOST:PORT/metrics`."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=0, description="TCP port on which they are served while a run goes on; 0: none."
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on: the loopback, unless a Prometheus of another machine "
        "reads them.",
    )


class Kafka(Section):
    """The broker and its topics."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="Brokers, `host:port,...`.")
    raw_prefix: str = Field(
        default="raw.", description="The raw topic of a venue is this prefix and the venue's name."
    )
    fact_prefix: str = Field(
        default="", description="The topic of a fact is this prefix and the topic's name."
    )
    publish: bool = Field(
        default=True, description="`run` and `demo` write facts to Kafka as well as to DuckDB."
    )
    connect_timeout: Annotated[Duration, within("1ms", "1d")] = Field(
        default=30_000_000_000, description="How long to wait for a broker at start: 1ms to 1d."
    )
    client: dict[str, str | int | float | bool] = Field(
        default={},
        description="More settings of librdkafka, such as `security.protocol`. Never stored.",
    )


class Account(Section):
    """One account and its limits; a value equal to a limit passes."""

    name: str = Field(description="The account's name, unique in the job.")
    position_max: Annotated[DecimalText, Field(ge=0, lt=10**12), Unit("size")] = Field(
        description="Largest position in any one instrument, long or short."
    )
    gross_max: Annotated[DecimalText, Field(ge=0, lt=10**24), Unit("notional")] = Field(
        description="Largest gross exposure over all instruments; the currencies of `at_par` "
        "count as one."
    )
    at_par: tuple[str, ...] = Field(
        default=("USD", "USDT", "USDC"),
        description="Quote currencies that are added up one to one.",
    )
    capital: Annotated[DecimalText, Field(gt=0, lt=10**24), Unit("notional")] | None = Field(
        default=None,
        description="What it begins with, in the currency at par. Sizes that are a part of equity "
        "need it; left out, its equity is not known.",
    )
    orders_max: Annotated[int, Field(ge=0, le=10**6), Unit("orders")] = Field(
        description="Most orders approved in any `orders_window`."
    )
    orders_window: Span = Field(description="Window of `orders_max`, in log time.")


class Tape(Section):
    """Tape files whose names are not `<venue>-<n>.tape`."""

    files: str = Field(
        description="Pattern of file names, such as `btc_*.gz`; several files are read in the "
        "order of their names."
    )
    partition: str = Field(description="The partition they hold, `<venue>-<n>`.")
