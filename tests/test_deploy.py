"""The files of deploy/, read by the tools that use them, and held against what a run exposes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from deploy import subset_lock
from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER
from tapeflow.flows.cli.main import build_parser
from tapeflow.flows.job import settings
from tests.receiving import receiving
from tests.running import JOB, REFERENCE, ROOT, loaded
from tests.test_metrics import free_port, scrape, wait_for

yaml = pytest.importorskip("yaml")
DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS = {"up", "ALERTS"}
LABELS_OF_PROMETHEUS = {"job", "instance", "flow", "alertstate", "le"}
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="no promtool: apt-get install prometheus, or go install "
    "github.com/prometheus/prometheus/cmd/promtool@latest",
)


def tool(*command, folder=DEPLOY):
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


# --- Prometheus -----------------------------------------------------------------------------


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"),
     ("test", "rules", "alerts.test.yml")],
    ids=" ".join,
)  # fmt: skip
def test_promtool_accepts_the_files_of_prometheus(command):
    done = tool("promtool", *command)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_refuses_a_rule_that_is_wrong(tmp_path):
    text = (DEPLOY / "alerts.yml").read_text()
    (tmp_path / "alerts.yml").write_text(text.replace("> 10\n", "> > 10\n", 1))
    assert tool("promtool", "check", "rules", "alerts.yml", folder=tmp_path).returncode != 0


def test_every_alert_fires_in_one_story_and_is_silent_in_another():
    stories = yaml.safe_load((DEPLOY / "alerts.test.yml").read_text())["tests"]
    shown = {
        (case["alertname"], bool(case["exp_alerts"]))
        for story in stories
        for case in story["alert_rule_test"]
    }
    assert shown == {(rule["alert"], fires) for rule in RULES for fires in (True, False)}


def test_every_alert_has_a_severity_a_summary_and_a_place_in_the_runbook():
    text = (ROOT / "docs" / "deploy.md").read_text()
    headings = {each.lower() for each in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (page, anchor) == ("docs/deploy.md", rule["alert"].lower())
        assert anchor in headings
    assert {rule["alert"].lower() for rule in RULES} == {
        each for each in headings if each.startswith("tapeflow")
    }


# --- what is shown exists -------------------------------------------------------------------

JOB_EXTRA = """
[limits."account:main"]
drawdown = 0.5
"""


@pytest.fixture(scope="module")
def live_scrape(tmp_path_factory):
    """The text of a scrape of `run`, which follows topics, and how long a scrape took, in s."""
    folder, port = tmp_path_factory.mktemp("live"), free_port()
    text = JOB.read_text().replace("gross_max = 60000", "gross_max = 100\ncapital = 100000")
    text = text.replace("order_events = false", "order_events = true")
    (folder / "job.toml").write_text(text.replace('counting = "net"', "") + JOB_EXTRA)
    with loaded(REFERENCE / "golden-heartbeat") as job, receiving() as receiver:
        client = json.dumps(EMBEDDED_CONSUMER)
        running = subprocess.Popen(
            [sys.executable, "-m", "tapeflow", "run", "--config", str(folder / "job.toml"),
             "--results", str(folder / "r.duckdb")],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={
                **os.environ, "TAPEFLOW_KAFKA_BOOTSTRAP": job.kafka.bootstrap,
                "TAPEFLOW_KAFKA_CLIENT": client, "TAPEFLOW_METRICS_PORT": str(port),
                "TAPEFLOW_ALERTS_WEBHOOK": receiver.url,
            },
        )  # fmt: skip
        try:

            def is_complete(found):
                names = {name for name, *_ in found}
                return {"tapeflow_refusals_total", "tapeflow_drawdown_ratio"} <= names

            wait_for(port, is_complete)
            took = []
            for _ in range(10):
                began = time.monotonic()
                found = scrape(port)
                took.append(time.monotonic() - began)
            address = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(address, timeout=10) as answer:
                with_text = answer.read().decode()
        finally:
            running.send_signal(signal.SIGTERM)
            _, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors
    return with_text, found, min(took)


def labels_of(text):
    """The labels of each sample of a scrape, by the name of the metric."""
    found = {}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def names_in(expr):
    """The names of metrics in a query, with the labels that it matches of each."""
    expr = re.sub(r"\b(?:by|on|without|ignoring)\s*\([^)]*\)", "", expr)
    for name, matchers in re.findall(r"\b([a-zA-Z_]\w*)\b(?!\s*\()(?:\{([^}]*)\})?", expr):
        if name.startswith(("tapeflow_", "process_")) or name in OF_PROMETHEUS:
            yield name, {*re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)}


def expressions():
    for rule in RULES:
        yield f"alert {rule['alert']}", rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for each in DASHBOARD["annotations"]["list"]:
        yield "annotation", each["expr"]


def test_every_expression_names_a_metric():
    shown = [*expressions()]
    assert len(shown) > 30
    assert all([*names_in(expr)] for _, expr in shown)


@pytest.mark.slow
def test_every_metric_of_a_rule_or_panel_is_one_that_a_run_exposes(live_scrape):
    exposed = labels_of(live_scrape[0])
    for where, expr in expressions():
        for name, labels in names_in(expr):
            if name not in OF_PROMETHEUS:
                assert name in exposed, f"{where}: no run exposes {name}"
                wrong = labels - exposed[name] - LABELS_OF_PROMETHEUS
                assert not wrong, f"{where}: {name} has no label {wrong}"


@pytest.mark.slow
@needs_promtool
def test_names_and_units_are_by_the_conventions_of_prometheus(live_scrape):
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=live_scrape[0],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_scrape_is_cheap(live_scrape):
    assert live_scrape[2] < 0.15


def test_the_dashboard_is_whole():
    """Ids are unique, nothing overlaps, and its source of data is the one that is provisioned."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 12
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len({*places}) == len(places)
    assert max(x for x, _ in places) < 24
    provisioned = DEPLOY / "grafana" / "provisioning"
    source = yaml.safe_load((provisioned / "datasources" / "prometheus.yml").read_text())
    (uid,) = {panel["datasource"]["uid"] for panel in panels}
    assert uid == source["datasources"][0]["uid"]
    folder = yaml.safe_load((provisioned / "dashboards" / "tapeflow.yml").read_text())
    compose = (DEPLOY / "compose.yml").read_text()
    path = folder["providers"][0]["options"]["path"]
    assert f"./grafana/dashboard.json:{path}/dashboard.json:ro" in compose


# --- Docker ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def checker(tmp_path_factory):
    """The program of deploy/check, built."""
    if shutil.which("go") is None:
        pytest.skip("no go: it builds deploy/check, which reads these files as Docker does")
    program = tmp_path_factory.mktemp("check") / "check"
    built = tool("go", "build", "-o", str(program), ".", folder=DEPLOY / "check")
    if built.returncode and re.search("dial tcp|no such host|proxy|timeout", built.stderr):
        pytest.skip(f"the modules of deploy/check cannot be had: {built.stderr.splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture(scope="session")
def project(checker):
    """The compose file, as Docker understands it."""
    done = tool(str(checker), "compose", "compose.yml")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ENV = """
TAPEFLOW_CONFIG=/jobs/mine.toml
TAPEFLOW_ALERTS_WEBHOOK=https://example.com/hook
TAPEFLOW_KAFKA_BOOTSTRAP=127.0.0.1:9092
TAPEFLOW_KAFKA_CLIENT='{"sasl.password": "a$b"}'
TAPEFLOW_VERSION=0.0.9
"""


@pytest.mark.slow
def test_every_variable_of_the_file_reaches_the_flows_and_no_other_container(checker, tmp_path):
    shutil.copy(DEPLOY / "compose.yml", tmp_path)
    (tmp_path / ".env").write_text(ENV)
    services = services_of(checker, tmp_path)
    for name in ("run", "archive", "market"):
        assert services[name]["environment"] == {
            "TAPEFLOW_CONFIG": "/jobs/mine.toml",
            "TAPEFLOW_ALERTS_WEBHOOK": "https://example.com/hook",
            "TAPEFLOW_KAFKA_BOOTSTRAP": "kafka:19092",
            "TAPEFLOW_KAFKA_CLIENT": '{"sasl.password": "a$b"}',
            "TAPEFLOW_VERSION": "0.0.9",
        }
        assert services[name]["image"] == "tapeflow:0.0.9"
        job = settings.load(JOB, services[name]["environment"])
        assert job.alerts.webhook == "https://example.com/hook"
        assert job.kafka.client == {"sasl.password": "a$b"}
    for name in ("kafka", "prometheus", "grafana"):
        assert not any(key.startswith("TAPEFLOW_") for key in services[name].get("environment", {}))


@pytest.mark.slow
def test_without_that_file_the_webhook_is_that_of_the_job(checker, tmp_path):
    shutil.copy(DEPLOY / "compose.yml", tmp_path)
    (tmp_path / "job.toml").write_text(
        JOB.read_text() + '\n[alerts]\nwebhook = "https://example.com/of-the-job"\n'
    )
    variables = services_of(checker, tmp_path)["run"]["environment"]
    job = settings.load(tmp_path / "job.toml", variables)
    assert job.alerts.webhook == "https://example.com/of-the-job"


def services_of(checker, folder):
    """The services of the compose file of a folder, where no variable of ours is set."""
    clean = {name: each for name, each in os.environ.items() if not name.startswith("TAPEFLOW_")}
    done = subprocess.run(
        [checker, "compose", "compose.yml"],
        cwd=folder, env=clean, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)["services"]


@pytest.mark.slow
def test_buildkit_finds_nothing_in_the_dockerfile(checker):
    done = tool(str(checker), "dockerfile", "Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_checkers_refuse_what_is_wrong(checker, tmp_path):
    text = (DEPLOY / "compose.yml").read_text()
    (tmp_path / "compose.yml").write_text(text.replace("    image:", "    imagee:", 1))
    assert tool(str(checker), "compose", str(tmp_path / "compose.yml")).returncode != 0
    (tmp_path / "Dockerfile").write_text("FROM python:3 AS Build\nCOPY --from=nobody /x /y\n")
    assert tool(str(checker), "dockerfile", str(tmp_path / "Dockerfile")).returncode != 0


@pytest.mark.slow
def test_flows_have_no_rights_a_read_only_root_limits_and_a_restart(project):
    for name in ("run", "archive"):
        service = project["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert int(service["mem_limit"]) > 0 and service["cpus"] > 0
        assert service["depends_on"]["kafka"]["condition"] == "service_healthy"


@pytest.mark.slow
def test_every_port_of_the_host_is_on_the_loopback(project):
    ports = [port for each in project["services"].values() for port in each.get("ports", [])]
    assert len(ports) == 3
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


@pytest.mark.slow
def test_every_path_that_is_mounted_exists(project):
    mounts = [each for service in project["services"].values() for each in service["volumes"]]
    bound = [each["source"] for each in mounts if each["type"] == "bind"]
    assert len(bound) >= 7
    assert [path for path in bound if not os.path.exists(path)] == []
    named = {each["source"] for each in mounts if each["type"] == "volume"}
    assert named == project["volumes"].keys()


@pytest.mark.slow
def test_the_commands_of_the_flows_are_ours(project):
    parser = build_parser()
    for name in ("run", "archive"):
        parser.parse(project["services"][name]["command"])
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]
    targets = [target for each in scraped["static_configs"] for target in each["targets"]]
    assert targets == ["run:9464", "archive:9464"]


def test_versions_are_those_of_the_tests_and_of_the_package():
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    image = compose["services"]["kafka"]["image"]
    pom = (ROOT / "bench" / "real_kafka" / "pom.xml").read_text()
    kafka = re.search(r"kafka_2\.13</artifactId>\s*<version>([\d.]+)<", pom)[1]
    assert image == f"apache/kafka:{kafka}"
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[
        1
    ]
    assert compose["x-flow"]["image"] == f"tapeflow:${{TAPEFLOW_VERSION:-{version}}}"
    settings.load(JOB, {"TAPEFLOW_VERSION": version})  # it reaches the flows, who do not refuse it
    for service in compose["services"].values():
        assert re.search(r"[:-]v?\d+\.\d+\.\d+}?$", service["image"]), (
            "an image without a whole version"
        )


def test_the_image_is_of_a_python_that_the_package_runs_on_and_not_of_root():
    text = (DEPLOY / "Dockerfile").read_text()
    python = re.search(r"ARG BASE=python:3\.(\d+)\.\d+-slim-\w+$", text, re.MULTILINE)
    assert python is not None
    assert int(python[1]) in (11, 12)
    assert text.index("USER 10001:10001") < text.index("ENTRYPOINT")
    assert "HEALTHCHECK" in text


def test_the_builder_gets_the_rooms_of_the_package_and_nothing_else():
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    links = {os.readlink(path) for path in (ROOT / "tapeflow").iterdir() if path.is_symlink()}
    assert {link.removeprefix("../") for link in links} < let_in
    assert [name for name in let_in if not (ROOT / name).exists()] == []
    assert not let_in & {"tests", "docs", "bench", ".git"}


# --- what the image installs ----------------------------------------------------------------


@pytest.mark.parametrize("package_extras", [("see",), ("see", "fast"), ()])
def test_the_part_of_the_lock_is_what_the_package_says_that_it_needs(package_extras):
    """By the metadata of what is installed here, not by the comments of the lock."""

    def needs(name, extras):
        for text in requires(name) or []:
            each = Requirement(text)
            wanted = [{"extra": extra} for extra in extras or [""]]
            if each.marker is None or any(each.marker.evaluate(extra) for extra in wanted):
                yield subset_lock.normalise(each.name), each.extras

    lock = subset_lock.read_lock((ROOT / "requirements.lock").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    chosen = set(subset_lock.select(lock, subset_lock.roots_of(project, "run", *package_extras)))
    found, fresh = set(), [("tapeflow", package_extras)]
    while fresh:
        for name, extras in needs(*fresh.pop()):
            if name not in found:
                found.add(name)
                fresh.append((name, extras))
    assert found <= chosen
    assert not chosen & {"pytest", "pandas", "playwright", "mypy", "hypothesis"}
    assert ("numba" in chosen) == ("fast" in package_extras)


def test_every_part_of_the_lock_has_its_hashes():
    lock = subset_lock.read_lock((ROOT / "requirements.lock").read_text())
    assert len(lock) > 50
    assert all("--hash=sha256:" in lines for lines, _ in lock.values())
