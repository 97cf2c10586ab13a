"""The foreign files in what was named: files as they are, of a folder those of a known ending."""

from pathlib import Path

from tapeflow.connectors.foreign.open import FOREIGN
from tapeflow.connectors.foreign.stream import PACKED
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.notify import Notify

UNREAD_NAMED = 5


def files_of(paths: list[Path], notify: Notify) -> list[Path]:
    """Return the files to import, each once; `notify` names those of folders that are not read.

    Raises UsageError for a path that does not exist, and where there is none to import.
    """
    files: dict[Path, None] = {}
    unread = []
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise UsageError(f"{path} does not exist")
            files[path] = None
            continue
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            if is_foreign(file):
                files[file] = None
            elif not file.name.startswith("."):
                unread.append(file)
    if unread:
        more = f" and {len(unread) - UNREAD_NAMED:,} more" if len(unread) > UNREAD_NAMED else ""
        notify(f"not read: {', '.join(map(str, unread[:UNREAD_NAMED]))}{more}")
    if not files:
        where = ", ".join(map(str, paths))
        raise UsageError(f"no files to import in {where}: their names end in {', '.join(FOREIGN)}")
    return [*files]


def is_foreign(file: Path) -> bool:
    """Return whether a file is one that can be imported, by its name."""
    if file.name.startswith("."):
        return False
    while file.suffix in PACKED:
        file = file.with_suffix("")
    return file.suffix in FOREIGN
