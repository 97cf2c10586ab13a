"""What many tests read: the demo's market and what it was traded to, made once a process."""

import pytest

from tests.explaining import Explained, demo
from tests.installing import build_wheel


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory) -> Explained:
    """The demo from tapes: `.results` is the file, `.tapes` the folder of the log."""
    return demo(tmp_path_factory.mktemp("demo"), "demo.toml")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))
