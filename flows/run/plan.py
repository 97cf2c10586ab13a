"""The plan of one run. Picklable: the supervisor sends it to every process."""

from pathlib import Path

from msgspec import Struct

from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import Log
from tapeflow.schemas.variants import Variant, VariantInterval

BY_ENGINE = "bytewax.run"  # command of a run under the engine's own


class SweepPass(Struct, frozen=True, kw_only=True):
    """One pass of a sweep over the log."""

    is_last: bool = False  # it stores facts, with the tables of the sweep
    at_desks: str = ""  # why all variants run at desks of their own; "": only those that need one
    variants: tuple[Variant, ...] = ()  # their rows, of the passes before it
    intervals: tuple[VariantInterval, ...] = ()


class Plan(Struct, frozen=True, kw_only=True):
    """One run of a flow."""

    flow: str = "trade"  # a module of tapeflow.flows
    command: str
    run_id: str = ""  # in log lines, metrics and alerts; no other run of any machine has it
    log: Log  # partitions in the order in which the engine assigns them to workers
    job: Job
    results: Path  # output of the flow: a DuckDB file of `trade`, a folder of `archive`
    workers: int = 1  # threads of a process
    processes: int = 1
    supervised: bool = False  # restart a process that fails; several processes always are
    state: Path | None = None  # folder of the run's state; None: every run starts at the beginning
    progress_file: Path | None = None  # of the read progress, where processes share it
    publish: bool = False  # write the facts to Kafka too
    heartbeats: bool = False  # write heartbeats into silent partitions
    checked: bool = False  # kernels check their indices
    sweep: SweepPass | None = None  # of the flow `sweep`
    speed: float | None = None  # log time per wall time; None: as fast as possible
