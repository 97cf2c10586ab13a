"""Writes the files of a new job into a folder, and nothing over a file that is there."""

from pathlib import Path

from tapeflow.schemas.errors import TapeflowError, UsageError

JOB, STRATEGY = "job.toml", "strategy.py"
SKELETON = Path(__file__).with_name("skeleton.py")


def check_free(folder: Path) -> None:
    """Check that nothing lies where the files will be. Raises UsageError otherwise."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name the new folder first, then the tapes")
    there = [str(folder / name) for name in (JOB, STRATEGY) if (folder / name).exists()]
    if there:
        verb = "is" if len(there) == 1 else "are"
        raise UsageError(
            f"{' and '.join(there)} {verb} there already, and nothing was written: name another "
            "folder"
        )


def write_files(folder: Path, job: str) -> list[Path]:
    """Write the job and the strategy; return their paths.

    Raises UsageError where one is there already, TapeflowError where the folder cannot be written.
    """
    check_free(folder)
    texts = {folder / JOB: job, folder / STRATEGY: SKELETON.read_text(encoding="utf-8")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise TapeflowError(f"{folder}: cannot be written: {error.strerror}") from None
    return [*texts]
