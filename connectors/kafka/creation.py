"""Creates raw topics and topics of facts, set up so that no record is lost or changed."""

import time
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tapeflow.connectors.kafka.client import NO_SETTINGS, SHARED, Settings
from tapeflow.schemas.errors import TapeflowError

CREATE_S = 20.0  # for the broker to create topics
POLL_S = 0.002
TOPIC_CONFIG: Mapping[str, str] = {
    "message.timestamp.type": "CreateTime",  # log time is the recorder's, not the broker's
    "retention.ms": "-1",  # or an old tape would be deleted as soon as it is loaded
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "max.message.bytes": "8388608",
}


def create_topics(
    bootstrap: str, partitions: Mapping[str, int], replicas: int = 1, client: Settings = NO_SETTINGS
) -> tuple[str, ...]:
    """Create those raw topics that do not exist yet, and return their names.

    `partitions` maps topic to number of partitions. Needs a real broker: the embedded one has no
    admin interface. Raises TapeflowError where the broker does not create one.
    """
    admin = AdminClient({**SHARED, "bootstrap.servers": bootstrap, **client})
    topics = [
        NewTopic(name, count, replicas, config=dict(TOPIC_CONFIG))
        for name, count in partitions.items()
    ]
    created = []
    for name, result in admin.create_topics(topics, request_timeout=CREATE_S).items():
        try:
            result.result()
            created.append(name)
        except KafkaException as raised:
            if raised.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TapeflowError(
                    f"topic {name} cannot be created at {bootstrap}: {raised.args[0].str()}"
                ) from None
    wait_for_metadata(admin, set(created))
    return tuple(created)


def wait_for_metadata(admin: AdminClient, topics: set[str]) -> None:
    """Wait until the brokers know new topics: the controller answers before they do."""
    deadline = time.monotonic() + CREATE_S
    while topics - admin.list_topics(timeout=CREATE_S).topics.keys():
        if time.monotonic() > deadline:
            raise TapeflowError(
                f"topics {', '.join(sorted(topics))} were created, but are not there after "
                f"{CREATE_S:g} s"
            )
        time.sleep(POLL_S)
