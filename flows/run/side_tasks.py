"""Threads of a run that follows its topics: the stall watch and the heartbeat writer."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows.run.log import live_partitions
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.stall_watch import StallWatch
from tapeflow.schemas.control import CONTROL
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.venues import venue_of


@contextmanager
def side_tasks(plan: Plan, progress: Progress, notify: Notify) -> Iterator[None]:
    """Watch the live partitions of a plan inside the `with` block, if it has any."""
    live = live_partitions(plan.log)
    partitions = {name: (each.name, each.number) for name, each in live.items()}
    with ExitStack() as tasks:
        if partitions:
            tasks.enter_context(StallWatch(progress, plan.job.source.stall_warning, notify))
            quiet = {
                name: topic
                for name, topic in partitions.items()
                if plan.heartbeats or venue_of(name) == CONTROL  # no recorder writes into it
            }
            if quiet:
                from tapeflow.connectors.kafka.heartbeats import HeartbeatWriter  # noqa: PLC0415
                from tapeflow.connectors.kafka.sink import (  # noqa: PLC0415  # slow to import
                    LOW_LATENCY,
                    ReliableProducer,
                )

                client = {**LOW_LATENCY, **plan.job.kafka.client}
                producer = partial(ReliableProducer, plan.job.kafka.bootstrap, client)
                every_ns = plan.job.source.heartbeat_after
                tasks.enter_context(HeartbeatWriter(producer, quiet, progress, every_ns, notify))
        yield
