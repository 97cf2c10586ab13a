"""The version of the installed package."""


def package_version() -> str:
    """Return Tapeflow's version, or a note that it runs from a checkout."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # slow to import

    try:
        return version("tapeflow")
    except PackageNotFoundError:
        return "0 (not installed)"
