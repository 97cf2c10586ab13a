"""What many tests read: the demo's market and what it was traded to, made once a process."""

import pytest

from tests.explaining import Explained, demo


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory) -> Explained:
    """The demo from tapes: `.results` is the file, `.tapes` the folder of the log."""
    return demo(tmp_path_factory.mktemp("demo"), "demo.toml")
