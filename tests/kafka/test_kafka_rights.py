"""A broker that asks who we are: wrong passwords, unknown certificates and missing rights read as such."""

import subprocess

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from bench.real_kafka.broker import RealBroker, free_port, missing
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.schemas.errors import TapeflowError
from tests.running import silent

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("each_consumer")]
PASSWORD = "not-a-secret"
SETTINGS = """
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SASL_PLAINTEXT://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}
controller.quorum.voters=1@127.0.0.1:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="{password}" user_nobody="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.location={keystore}
ssl.keystore.password={password}
ssl.keystore.type=PKCS12
"""


class Secured:
    """A broker with a listener for each way of asking."""

    def __init__(self, folder):
        keystore = folder / "keys.p12"
        subprocess.run(
            ["keytool", "-genkeypair", "-keyalg", "RSA", "-alias", "kafka", "-dname", "CN=127.0.0.1",
             "-storetype", "PKCS12", "-keystore", keystore, "-storepass", PASSWORD],
            check=True, capture_output=True,
        )  # fmt: skip
        ports = {name: free_port() for name in ("plain", "controller", "sasl", "tls")}
        settings = SETTINGS.format(**ports, keystore=keystore, password=PASSWORD)
        self.broker = RealBroker(port=ports["plain"], settings=settings)
        self.sasl, self.tls = (f"127.0.0.1:{ports[name]}" for name in ("sasl", "tls"))


def client(user, password=PASSWORD):
    return {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": password,
    }


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    if missing():
        pytest.skip(f"no {missing()}")
    made = Secured(tmp_path_factory.mktemp("secured"))
    with made.broker as broker:
        broker.create_topic("raw.binance", 1)
        for operation in (AclOperation.READ, AclOperation.DESCRIBE):
            right = AclBinding(
                ResourceType.TOPIC, "raw.binance", ResourcePatternType.LITERAL,
                "User:reader", "*", operation, AclPermissionType.ALLOW,
            )  # fmt: skip
            for done in broker.admin().create_acls([right]).values():
                done.result(20)
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("raw.binance", b"a frame", partition=0)
        assert producer.flush(20) == 0
        yield made


def test_a_wrong_password_reads_as_such(secured):
    with pytest.raises(TapeflowError, match="refuses: wrong user or password"):
        offset_bounds(secured.sasl, ["raw.binance"], 5, silent, client("reader", "wrong"))


def test_an_unknown_authority_reads_as_such(secured):
    with pytest.raises(TapeflowError, match=r"TLS failed: see .*ssl\.ca\.location"):
        offset_bounds(secured.tls, ["raw.binance"], 3, silent, {"security.protocol": "ssl"})


def test_a_missing_right_reads_as_such(secured):
    with pytest.raises(TapeflowError, match="no right to the topic: the user needs an ACL"):
        offset_bounds(secured.sasl, ["raw.binance"], 5, silent, client("nobody"))


def test_no_right_to_a_group_is_needed(secured):
    assert offset_bounds(secured.sasl, ["raw.binance"], 5, silent, client("reader")) == {
        "raw.binance": [(0, 1)]
    }
    partition = KafkaPartition(secured.sasl, "raw.binance", 0, "binance-0", client("reader"))
    reader = KafkaReader(partition, 10, 1, None, silent)
    frames = []
    while not reader.ended:
        page = reader.read()
        frames += [] if page is None else [page.frame(0)]
    reader.close()
    assert frames == [b"a frame"]
