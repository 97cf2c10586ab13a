"""The same answers for any hash seed: two more processes, each with another order of sets.

    PYTHONHASHSEED=17, =22─▶ python -m tapeflow.flows.check.seeds ─▶ the calls, as lines of JSON

The seeds are such that any two instruments of the made-up log are in both orders in a set.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.compare import place_of, shorten_request
from tapeflow.flows.check.logs import logs_of
from tapeflow.flows.check.market import CheckTask
from tapeflow.flows.check.runs import run, subject_of
from tapeflow.flows.check.subject import Subject
from tapeflow.flows.check.user_file import UserFile
from tapeflow.flows.job.settings import environment_with
from tapeflow.schemas.errors import TapeflowError

SEEDS = ("17", "22")


def run_with_seed(task: CheckTask) -> list[list[list[list[Any]]]]:
    """Return the calls of each log, of a process for each seed.

    Raises TapeflowError where one fails.
    """
    command = [sys.executable, "-m", "tapeflow.flows.check.seeds", task.encode()]
    path = os.pathsep.join(filter(None, sys.path))  # it imports from where this process does
    processes = [
        subprocess.Popen(
            command,
            env=environment_with(PYTHONHASHSEED=seed, PYTHONPATH=path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in SEEDS
    ]
    outputs = [process.communicate() for process in processes]
    for process, (_, error) in zip(processes, outputs, strict=True):
        if process.returncode:
            lines = error.strip().splitlines() or ["it ended without a word"]
            raise TapeflowError(f"a run with another hash seed fails: {lines[-1]}")
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


def compare_seeds(plain: list[Subject], task: CheckTask) -> Iterator[Breach]:
    """Yield the first call that is answered otherwise for another hash seed."""
    for calls_of_log in run_with_seed(task):
        for subject, calls in zip(plain, calls_of_log, strict=True):
            for number, call in enumerate(subject.calls):
                other = calls[number] if number < len(calls) else None
                if other != plain_call(call):
                    answers = [*(other[2] if other else ()), *call.requests]
                    differing = sorted({*map(shorten_request, answers)})[:2]
                    yield Breach(
                        place_of(subject, number),
                        f"{call.handler} answers otherwise for another hash seed of Python: it "
                        "iterates over a set, or uses hash() or id(): sort it"
                        + (f" ({' or '.join(differing)})" if len(differing) > 1 else ""),
                    )
                    return


def plain_call(call: Any) -> list[Any]:
    """Return a call as it is written."""
    return [call.handler, call.time_ns, call.requests]


def main(text: str) -> int:
    """Run the strategy that is asked for over its logs, and write its calls."""
    task, found = CheckTask.decode(text), []
    for log in logs_of(task):
        subject = subject_of(UserFile(task), log, keeps_states=False)
        failure, _ = run(subject, log)
        if failure is not None:
            raise failure
        found.append([plain_call(call) for call in subject.calls])
    sys.stdout.write(f"\n{json.dumps(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
