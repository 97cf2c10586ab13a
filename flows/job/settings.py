"""A job: one TOML file, overridden by TAPEFLOW_* variables, which are read here. See sections.py.

TAPEFLOW_KAFKA_BOOTSTRAP=broker:9092  is  [kafka] bootstrap = "broker:9092"
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from tapeflow.flows.job.alerts import Alerts
from tapeflow.flows.job.bars import Bars
from tapeflow.flows.job.control import Control
from tapeflow.flows.job.instrument_rows import InstrumentRow
from tapeflow.flows.job.limits_section import LimitsByScope
from tapeflow.flows.job.market import Market
from tapeflow.flows.job.messages import first_error, suggestion
from tapeflow.flows.job.paper import Paper
from tapeflow.flows.job.protect import Protect
from tapeflow.flows.job.recovery import Recovery
from tapeflow.flows.job.risk import Risk
from tapeflow.flows.job.sections import (
    Account,
    Dedupe,
    Kafka,
    Metrics,
    Normalise,
    Results,
    Section,
    Source,
    Tape,
)
from tapeflow.flows.job.strategies import AnyStrategy
from tapeflow.flows.job.sweep import Sweep
from tapeflow.flows.job.warmup import Warmup
from tapeflow.schemas.errors import UsageError

PREFIX = "TAPEFLOW_"
RUN_VARIABLES = {"CONFIG", "TAPES", "RESULTS", "CHECKED", "DEBUG", "KERNELS", "LOG_FORMAT",
                 "VERSION"}  # fmt: skip  # the last is that of the image (deploy/compose.yml)


class Job(Section):
    """A whole job file; an unknown key is refused, with a guess at the one that was meant."""

    bars: Bars = Bars()
    market: Market = Market()
    dedupe: Dedupe = Dedupe()
    normalise: Normalise = Normalise()
    source: Source = Source()
    warmup: Warmup = Warmup()
    recovery: Recovery = Recovery()
    paper: Paper = Paper()
    risk: Risk = Risk()
    limits: LimitsByScope = Field(default={})
    groups: dict[str, tuple[str, ...]] = Field(default={}, description="Patterns of instruments.")
    results: Results = Results()
    kafka: Kafka = Kafka()
    metrics: Metrics = Metrics()
    alerts: Alerts = Alerts()
    sweep: Sweep = Sweep()
    control: Control = Control()
    instruments: dict[str, InstrumentRow] = Field(
        description="Ticks of an instrument that is not listed are counted and not used."
    )
    features: dict[str, str] = Field(
        default={},
        description="`file.py:Class` or `package.module:Class`, by the name that strategies need.",
    )
    channels: dict[str, tuple[str, ...]] = Field(
        default={},
        description="Channels that are expected, by venue: frames of any other are malformed. "
        "A venue that is left out may send all that Tapeflow reads.",
    )
    accounts: tuple[Account, ...] = ()
    strategies: tuple[AnyStrategy, ...] = ()
    protect: tuple[Protect, ...] = ()
    tapes: tuple[Tape, ...] = ()
    _folder: Path = PrivateAttr(default=Path())
    _sha256: dict[str, str] = PrivateAttr(default={})  # of files of strategies, by kind

    @property
    def folder(self) -> Path:
        """The folder of the job file, from which files of strategies are named."""
        return self._folder

    def in_folder(self, folder: Path) -> "Job":
        """Return the job as that of a file in a folder."""
        moved = self.model_copy()
        moved._folder, moved._sha256 = folder.absolute(), {}
        return moved

    def remember_file(self, kind: str, sha256: str) -> None:
        """Remember the file of a kind of strategy, also in the processes that get this job.

        Raises UsageError where another was remembered: a process that starts later would run it.
        """
        if self._sha256.setdefault(kind, sha256) != sha256:
            raise UsageError(
                f"strategies: the file of {kind} has changed since the run began: start it again"
            )


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Job:
    """Read a job file, override its keys by variables, and check all of it.

    Raises UsageError with the first error, where it is, and the name that was meant.
    """
    try:
        keys = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also of an integer of 5,000 digits
        raise UsageError(f"{path}: not TOML: {error}") from None
    override(keys, environment)
    try:
        return Job.model_validate(keys).in_folder(path.parent)
    except ValidationError as error:
        raise UsageError(f"{path}: {first_error(error, Job)}") from None


def override(keys: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Write the values of TAPEFLOW_* variables over the keys of a job file."""
    known = variables()
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or variable.removeprefix(PREFIX) in RUN_VARIABLES:
            continue
        if variable not in known:
            names = [each.removeprefix(PREFIX) for each in known]
            guess = suggestion(variable.removeprefix(PREFIX), names, PREFIX)
            raise UsageError(f"{variable} is no setting{guess}")
        section, key = known[variable]
        table = keys.setdefault(section, {})
        if isinstance(table, dict):  # otherwise `load` refuses the section
            table[key] = from_json(variable, value) if value[:1] in {"{", "["} else value


def variables() -> dict[str, tuple[str, str]]:
    """Return section and key of each TAPEFLOW_<SECTION>_<KEY> variable."""
    return {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, field in Job.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for key in field.annotation.model_fields
    }


def from_json(variable: str, text: str) -> Any:
    """Return the table or list that a variable holds as JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{variable} is not JSON: {error}") from None


class EnvironmentJob(BaseModel):
    """The variables of a run under the engine's own command line."""

    config: Path | None
    tapes: tuple[Path, ...]  # empty: read the raw topics
    results: Path
    checked: bool  # kernels check their indices


def from_environment(environment: Mapping[str, str] = os.environ) -> EnvironmentJob:
    """Read the variables of a run under the engine's command: colons divide TAPEFLOW_TAPES."""
    tapes = environment.get(f"{PREFIX}TAPES", "")
    return EnvironmentJob(
        config=config_path(environment),
        tapes=tuple(Path(each) for each in tapes.split(os.pathsep) if each),
        results=Path(environment.get(f"{PREFIX}RESULTS", "results.duckdb")),
        checked=is_on(f"{PREFIX}CHECKED", environment),
    )


def debugging(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether TAPEFLOW_DEBUG asks for the traces of bugs on the terminal."""
    return is_on(f"{PREFIX}DEBUG", environment)


def is_on(variable: str, environment: Mapping[str, str]) -> bool:
    """Return whether a variable is set, to anything but 0."""
    return environment.get(variable, "0") not in {"", "0"}


def environment_with(**variables: str) -> dict[str, str]:
    """Return the environment of a process that is started, with some variables more."""
    return {**os.environ, **variables}


def config_path(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the job file that TAPEFLOW_CONFIG names, if it is set."""
    named = environment.get(f"{PREFIX}CONFIG")
    return Path(named) if named else None
