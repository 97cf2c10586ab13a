"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """Return Tapeflow's version, or a note that it runs from a checkout."""
    try:
        return version("tapeflow")
    except PackageNotFoundError:
        return "0 (not installed)"
