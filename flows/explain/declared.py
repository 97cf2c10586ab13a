"""The strategy of a signal with what it reads, made again from the job that the results hold.

    job of the last start ─▶ row of [[strategies]], or of a variant of a grid ─▶ DeclaredStrategy

A file of a strategy is executed only where its sha256 is that of the run.
"""

import json
from hashlib import sha256
from pathlib import Path

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.job.declared import declare
from tapeflow.flows.job.grids import expand_grids
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.stored import load_stored
from tapeflow.flows.job.strategies import StrategySettings
from tapeflow.schemas.errors import TapeflowError, UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.signals import DeclaredStrategy


def stored_job(reader: ResultsReader) -> Job:
    """Return the job of the last start.

    Raises TapeflowError where the results hold none, or this version cannot read it.
    """
    runs = reader.rows("SELECT job FROM runs ORDER BY id DESC LIMIT 1")
    if not runs:
        raise TapeflowError("the results hold no job, as they name no run")
    return load_stored(runs[0]["job"])


def make_declared(
    reader: ResultsReader, job: Job, table: InstrumentTable, name: str
) -> DeclaredStrategy:
    """Return a strategy of the results by name. Raises TapeflowError with why it can't be made."""
    rows = {row.name: row for row in job.strategies}
    row = rows.get(name) or find_variant(job, name)
    if row is None:
        raise TapeflowError(f"the job of the last start has no strategy {name}")
    where, is_file, _ = row.kind.rpartition(":")
    if not is_file or not where.endswith(".py"):
        return declare(row, job.folder, table)
    return declare(row, find_folder(reader, row, where), table)


def find_variant(job: Job, name: str) -> StrategySettings | None:
    """Return the row of a variant of a grid; None where there is none of this name."""
    try:
        found = expand_grids(job).variants
    except UsageError:
        return None
    return next((each.row for each in found if each.name == name), None)


def find_folder(reader: ResultsReader, row: StrategySettings, where: str) -> Path:
    """Return the folder below which the file of a strategy is that of the run.

    Raises TapeflowError where there is no such file, or it has changed since.
    """
    expected = sha256_of_run(reader, row.name)
    folders = [Path.cwd(), reader.results.absolute().parent]
    found = [each for each in folders if (each / where).is_file()]
    for each in found:
        if sha256((each / where).read_bytes()).hexdigest() == expected:
            return each
    if found:
        raise TapeflowError(f"{found[0] / where} has changed since the run")
    raise TapeflowError(f"{where} is not in {folders[0]}: run it in the folder of the job")


def sha256_of_run(reader: ResultsReader, name: str) -> str:
    """Return the sha256 of the file of a strategy at the last start that had it; "" of none."""
    for run in reader.rows("SELECT strategies FROM runs ORDER BY id DESC"):
        for each in json.loads(run["strategies"] or "[]"):
            if each["name"] == name or name.startswith(f"{each['name']}/"):
                return str(each["sha256"])
    return ""
