"""The interface between a run and its observers, metrics and alerts."""

from collections.abc import Callable

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.run.plan import Plan

Watch = Callable[[Plan, Progress], None]  # shows the progress of a run whose state is open
