"""A state directory: what a run needs to go on where it was, and whether it may.

    state/manifest.json     what the state was made with: versions, instruments, partitions in order
    state/recovery/         the engine's snapshots
    state/work.duckdb       the owner's work file, rolled back to the snapshot on resume
    state/lock              held while somebody runs on it

State of another version, or of a job that would read it otherwise, is refused, never ignored.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from bytewax.recovery import init_db_dir
from msgspec import Struct

from tapeflow.schemas.errors import TapeflowError

FORMAT = 2
RECOVERY_PARTITIONS = 1  # fixed for ever once made; each is a SQLite file with fsyncs of its own


class Manifest(Struct, frozen=True):
    """What a state depends on."""

    format: int
    flow: str  # the flow's name
    engine: str  # version of bytewax: snapshots are its own
    states: dict[str, int]  # step -> version of its state
    meaning: dict[str, Any]  # settings that the state is made of
    source: str  # tapes or topics: positions in one mean nothing in the other
    partitions: tuple[str, ...]  # in the order of their turns; new ones come last


class StateDir:
    """A state directory in use."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be, and hold it until `release` or the end of the process."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.lock = (folder / "lock").open("w")
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.lock.close()
            raise TapeflowError(f"{folder} is in use by another run") from None
        except OSError as error:
            raise TapeflowError(f"{folder}: cannot be written: {error.strerror}") from None

    @property
    def recovery(self) -> Path:
        """The engine's snapshots."""
        return self.folder / "recovery"

    @property
    def board(self) -> Path:
        """How far each partition has come, for all processes."""
        return self.folder / "board"

    def check_compatible(self, wanted: Manifest) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Check that the state may go on under `wanted`, or begin it.

        The partitions in the order of their turns, and those that are new to the state.
        """
        path = self.folder / "manifest.json"
        known = self._known(path)
        turns, fresh = wanted.partitions, tuple[str, ...]()
        if known is None:
            init = self.recovery
            init.mkdir(exist_ok=True)
            if not any(init.iterdir()):
                init_db_dir(init, RECOVERY_PARTITIONS)  # type: ignore[no-untyped-call]
        else:
            self._refuse(known, wanted)
            fresh = tuple(name for name in wanted.partitions if name not in known.partitions)
            turns = (*known.partitions, *fresh)
        told = json.dumps(to_json_dict(wanted, turns), indent=2, sort_keys=True)
        beside = path.with_suffix(".next")
        beside.write_text(told + "\n")
        os.replace(beside, path)
        return turns, fresh

    def release(self) -> None:
        """Let others run on it."""
        self.lock.close()

    def _known(self, path: Path) -> Manifest | None:
        if not path.exists():
            return None
        try:
            told = json.loads(path.read_text())
            # a manifest of format 1 names no flow; it is refused by its format
            return Manifest(**{"flow": "", **told, "partitions": tuple(told["partitions"])})
        except (ValueError, TypeError, KeyError):
            raise TapeflowError(f"{path} is no manifest of ours: name another --state") from None

    def _refuse(self, known: Manifest, wanted: Manifest) -> None:
        start_fresh = "start with a fresh --state, or go back to what it was made with"
        for name in ("format", "flow", "engine", "source"):
            was, now = getattr(known, name), getattr(wanted, name)
            if was != now:
                raise TapeflowError(
                    f"{self.folder}: the state was made with {name} {was}, "
                    f"this is {now}: {start_fresh}"
                )
        for kind in ("states", "meaning"):
            was_all, now_all = getattr(known, kind), getattr(wanted, kind)
            for name in sorted(was_all.keys() | now_all.keys()):
                was, now = was_all.get(name), now_all.get(name)
                if was != now:
                    raise TapeflowError(
                        f"{self.folder}: the state was made with {said(kind, name, was)}, "
                        f"this is {said(kind, name, now)}: {start_fresh}"
                    )
        if gone := [name for name in known.partitions if name not in wanted.partitions]:
            raise TapeflowError(
                f"{self.folder}: the state has read {', '.join(gone)}, which is not there now: "
                f"{start_fresh}"
            )


def said(kind: str, name: str, value: Any) -> str:
    """One thing that differs, shortly."""
    text = json.dumps(value)
    short = text if len(text) <= 80 else f"{text[:77]}..."
    return f"state of step {name} in version {short}" if kind == "states" else f"{name} = {short}"


def to_json_dict(manifest: Manifest, turns: tuple[str, ...]) -> dict[str, Any]:
    """What is written of a manifest."""
    return {
        "format": manifest.format,
        "flow": manifest.flow,
        "engine": manifest.engine,
        "states": manifest.states,
        "meaning": manifest.meaning,
        "source": manifest.source,
        "partitions": turns,
    }
