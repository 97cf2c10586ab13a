"""What a job is: one TOML file, and TAPEFLOW_* variables over it. Only here it is read.

    TAPEFLOW_KAFKA_BOOTSTRAP=broker:9092 is [kafka] bootstrap = "broker:9092"

Unknown keys are refused, with the nearest one that is known.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tapeflow.flows.job.duration import Duration
from tapeflow.schemas.errors import UsageError

PREFIX = "TAPEFLOW_"
NON_JOB_VARIABLES = {
    "CONFIG",
    "TAPES",
    "RESULTS",
    "FROM_TOPICS",
}  # variables of `flows.trade:flow`, not of a job
Span = Annotated[Duration, Field(gt=0)]
Positive = Annotated[Decimal, Field(gt=0, lt=10**12)]


class Section(BaseModel):
    """A table of the TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bars(Section):
    """Bars of event time."""

    width: Span = 1_000_000_000
    lateness: Annotated[Duration, Field(ge=0)] = 200_000_000  # how long a bar waits for the late


class Dedupe(Section):
    """What is a duplicate."""

    memory: Annotated[int, Field(gt=0)] = 8192  # records of the partition


class Normalise(Section):
    """Scores of returns."""

    window: Annotated[int, Field(ge=2)] = 60  # bars


class Source(Section):
    """How the log is read. No result depends on it."""

    page: Annotated[int, Field(gt=0)] = 20_000  # records at most
    lead: Span = 60_000_000_000  # how far a partition may run ahead of the slowest, in log time
    quiet: Span = 1_000_000_000  # a partition that holds the others so long is named
    heartbeat: Span = 100_000_000  # with --keep-time: after so much silence a heartbeat is written


class Recovery(Section):
    """How often everything is sealed and kept."""

    epoch: Span | None = None  # 1 s, or as long as results are published where nothing is kept


class Paper(Section):
    """The paper venue."""

    latency: Annotated[Duration, Field(ge=0)] = 250_000_000
    fee_bps: Annotated[Decimal, Field(ge=0)] = Decimal(10)


class Results(Section):
    """What is written."""

    sample: Span = 60_000_000_000  # of equity, in log time
    money_digits: Annotated[int, Field(ge=0, le=12)] = 8


class Kafka(Section):
    """Where topics are."""

    bootstrap: str = "127.0.0.1:9092"
    raw: str = "raw."  # a venue's raw topic is raw + its name
    facts: str = ""  # a fact's topic is facts + its name
    publish: bool = True  # write the facts to Kafka too, when the log comes from there
    wait: Span = 30_000_000_000  # for a broker that is away at start
    client: dict[str, str | int | float | bool] = {}  # more settings of librdkafka: security, ...


class InstrumentRow(Section):
    """Of [instruments]: steps of price and size."""

    tick: Positive
    lot: Positive
    multiplier: Positive = Decimal(1)
    venue_symbol: str = ""  # where the venue's name is not the usual one


class Account(Section):
    """Limits; exactly at one passes."""

    name: str
    position_max: Annotated[Decimal, Field(ge=0, lt=10**12)]  # units of any instrument
    gross_max: Annotated[Decimal, Field(ge=0, lt=10**24)]  # notional; currencies at par
    at_par: tuple[str, ...] = ("USD", "USDT", "USDC")  # quote currencies counted as one
    orders_max: Annotated[int, Field(ge=0)]
    orders_window: Span


class StrategySettings(Section):
    """What every strategy says."""

    name: str
    account: str
    size: Positive
    instruments: tuple[str, ...] = ("*",)  # ids, or patterns of them


class EmaCross(StrategySettings):
    """Fast average over slow: operators/signals/ema_cross.py."""

    kind: Literal["ema_cross"]
    fast: Annotated[int, Field(gt=0)] = 12
    slow: Annotated[int, Field(gt=0)] = 26

    @model_validator(mode="after")
    def _ordered(self) -> "EmaCross":
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class Reversion(StrategySettings):
    """Against outliers: operators/signals/reversion.py."""

    kind: Literal["reversion"]
    entry: Annotated[float, Field(gt=0)] = 2.5  # standard deviations


class Tape(Section):
    """Files under other names than <venue>-<n>.tape."""

    files: str  # a pattern of file names; of several, in the order of their names
    partition: str


class Job(Section):
    """The whole file."""

    bars: Bars = Bars()
    dedupe: Dedupe = Dedupe()
    normalise: Normalise = Normalise()
    source: Source = Source()
    recovery: Recovery = Recovery()
    paper: Paper = Paper()
    results: Results = Results()
    kafka: Kafka = Kafka()
    instruments: dict[str, InstrumentRow]
    channels: dict[str, tuple[str, ...]] = {}  # by venue; all that we know where it is not named
    accounts: tuple[Account, ...] = ()
    strategies: tuple[Annotated[EmaCross | Reversion, Field(discriminator="kind")], ...] = ()
    tapes: tuple[Tape, ...] = ()


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Job:
    """Read a job; UsageError says what is wrong, where, and what was meant."""
    try:
        told = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
    override(told, environment)
    try:
        return Job.model_validate(told)
    except ValidationError as error:
        raise UsageError(f"{path}: {first_error(error)}") from None


def override(told: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Write TAPEFLOW_<SECTION>_<KEY> variables into the job."""
    known = {
        f"{section}_{key}".upper(): (section, key)
        for section, field in Job.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for key in field.annotation.model_fields
    }
    for variable, value in environment.items():
        name = variable.removeprefix(PREFIX)
        if name == variable or name in NON_JOB_VARIABLES:
            continue
        if name not in known:
            raise UsageError(f"{variable} is no setting{suggestion(name, known, PREFIX)}")
        section, key = known[name]
        told.setdefault(section, {})[key] = json.loads(value) if value[:1] == "{" else value


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"] if part not in ("ema_cross", "reversion")]
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"{where} is no setting{suggestion(path[-1], keys_of(path[:-1]))}"
    if first["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def keys_of(path: list[str]) -> list[str]:
    """The keys known at a place of the file."""
    sections: dict[str, tuple[type[Section], ...]] = {
        "instruments": (InstrumentRow,),
        "accounts": (Account,),
        "strategies": (EmaCross, Reversion),
        "tapes": (Tape,),
    }
    if not path:
        return [*Job.model_fields]
    annotation = Job.model_fields[path[0]].annotation
    single = (
        (annotation,) if isinstance(annotation, type) and issubclass(annotation, Section) else ()
    )
    return [key for section in sections.get(path[0], single) for key in section.model_fields]


def suggestion(name: str, known: Any, prefix: str = "") -> str:
    """A hint at the known name that was meant."""
    close = get_close_matches(name, [*known], n=1)
    return f": did you mean {prefix}{close[0]}?" if close else ""


class EnvironmentJob(BaseModel):
    """What a flow without our command line is told."""

    config: Path | None
    tapes: tuple[Path, ...]  # none: the topics
    results: Path


def from_environment(environment: Mapping[str, str] = os.environ) -> EnvironmentJob:
    """TAPEFLOW_CONFIG, TAPEFLOW_TAPES (several with a colon between) and TAPEFLOW_RESULTS."""
    tapes = environment.get(f"{PREFIX}TAPES", "")
    return EnvironmentJob(
        config=config_path(environment),
        tapes=tuple(Path(each) for each in tapes.split(os.pathsep) if each),
        results=Path(environment.get(f"{PREFIX}RESULTS", "results.duckdb")),
    )


def config_path(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The job that TAPEFLOW_CONFIG names."""
    named = environment.get(f"{PREFIX}CONFIG")
    return Path(named) if named else None
