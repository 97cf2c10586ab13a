"""A state directory: what a run needs to resume, and the check that it may.

    state/manifest.json     what the state was made with: versions, settings, partitions in order
    state/recovery/         the engine's snapshots; a link, where they are in memory
    state/recovery.disk/    while a run in memory lasts: their copy
    state/work.duckdb       the results' work file, rolled back to the snapshot on resume
    state/progress          read progress of the partitions, shared by the processes of a run
    state/lock              locked while a run uses the directory

State of another version, or of a job that would give another answer, is refused, never ignored:
flows/job/changes.py says which settings may change.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tapeflow.connectors.fsync import sync
from tapeflow.connectors.state.manifest import (
    FORMAT,
    Manifest,
    describe_changes,
    describe_setting,
    describe_version,
    differences,
    row_differences,
    to_json_dict,
)
from tapeflow.engine.memory_store import settle
from tapeflow.engine.recovery import create_store, has_begun, is_complete
from tapeflow.schemas.errors import TapeflowError

START_FRESH = "start with a fresh --state, or go back to what it was made with"


class Resumed(NamedTuple):
    """What a state is resumed with."""

    partitions: tuple[str, ...]  # in the order of the source
    new_partitions: tuple[str, ...]  # among them
    changes: tuple[str, ...]  # lines about settings that have changed


class StateDir:
    """A state directory in use."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be, and lock it until `release` or the end of the process.

        Raises TapeflowError where another run has the lock, or the folder cannot be written.
        """
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
        settle(self.recovery)  # of a run in memory that was killed

    @property
    def recovery(self) -> Path:
        """Folder of the engine's snapshots."""
        return self.folder / "recovery"

    @property
    def progress(self) -> Path:
        """File of the partitions' read progress."""
        return self.folder / "progress"

    def check_compatible(
        self, wanted: Manifest, check_changes: Callable[[], None] = lambda: None
    ) -> Resumed:
        """Check that a run may resume this state, or start it; then write its manifest.

        `check_changes` is called where it may resume, with settings that have changed.

        Raises TapeflowError, naming the first difference, where the state does not fit.
        """
        path = self.folder / "manifest.json"
        known = self._read_manifest(path)
        partition_order, new_partitions = wanted.partitions, tuple[str, ...]()
        changes: tuple[str, ...] = ()
        if known is None:
            self._create_recovery_store()
        else:
            self._refuse_differences(known, wanted)
            self._refuse_lost_store()
            new_partitions = tuple(
                name for name in wanted.partitions if name not in known.partitions
            )
            partition_order = (*known.partitions, *new_partitions)
            changes = tuple(describe_changes(known, wanted))
            if changes:
                check_changes()
        manifest = json.dumps(to_json_dict(wanted, partition_order), indent=2, sort_keys=True)
        next_path = path.with_suffix(".next")
        next_path.write_text(manifest + "\n")
        sync(next_path)
        os.replace(next_path, path)
        return Resumed(partition_order, new_partitions, changes)

    def release(self) -> None:
        """Unlock the directory for other runs."""
        self.lock.close()

    def _create_recovery_store(self) -> None:
        """Create the engine's store complete or not at all, in a state without a manifest.

        A start that was killed may have left one in which nothing has run: it is made again.
        """
        if self.recovery.exists() and has_begun(self.recovery):
            raise TapeflowError(
                f"{self.folder}: its manifest.json is gone, so that nothing says of which job its "
                f"recovery/ is: name another --state"
            )
        unfinished = self.recovery.with_suffix(".next")
        for stale in (unfinished, self.recovery):
            shutil.rmtree(stale, ignore_errors=True)
        create_store(unfinished)
        os.replace(unfinished, self.recovery)
        sync(self.folder)  # before the manifest says that it is there

    def _refuse_lost_store(self) -> None:
        if not is_complete(self.recovery):
            raise TapeflowError(
                f"{self.folder}: its recovery/ is gone or damaged, so that nothing says how far it "
                f"has read: name another --state, which starts at the beginning"
            )

    def _read_manifest(self, path: Path) -> Manifest | None:
        if not path.exists():
            return None
        try:
            fields = json.loads(path.read_text())
            if fields["format"] != FORMAT:
                raise TapeflowError(
                    f"{self.folder}: the state was made with format {fields['format']}, "
                    f"this is {FORMAT}: {START_FRESH}"
                )
            return Manifest(**{**fields, "partitions": tuple(fields["partitions"])})
        except (ValueError, TypeError, KeyError):
            raise TapeflowError(
                f"{path} is no manifest of Tapeflow: name another --state"
            ) from None

    def _refuse_differences(self, known: Manifest, wanted: Manifest) -> None:
        for name in ("flow", "engine", "source"):
            was, now = getattr(known, name), getattr(wanted, name)
            if was != now:
                raise TapeflowError(
                    f"{self.folder}: the state was made with {name} {was}, "
                    f"this is {now}: {START_FRESH}"
                )
        for field, describe in (("states", describe_version), ("fixed_settings", describe_setting)):
            for name, was, now in differences(getattr(known, field), getattr(wanted, field)):
                raise TapeflowError(
                    f"{self.folder}: the state was made with {describe(name, was)}, this is "
                    f"{describe(name, now)}: {START_FRESH}"
                )
        for name, was, now in row_differences(known.fixed_rows, wanted.fixed_rows):
            raise TapeflowError(
                f"{self.folder}: the state was made with {describe_setting(name, was)}, this is "
                f"{describe_setting(name, now)}: {START_FRESH}"
            )
        if gone := [name for name in known.partitions if name not in wanted.partitions]:
            raise TapeflowError(
                f"{self.folder}: the state has read {', '.join(gone)}, which is not there now: "
                f"{START_FRESH}"
            )
