"""Our modules import each other in one direction only: there is no circle, late imports included."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "engine", "operators", "connectors", "flows", "jobs")
PATHS = {
    ".".join(("tapeflow", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
}


def imported(name, path):
    """The modules of ours that a module imports by a statement, wherever it stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{name}: spell it tapeflow. ..."
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= submodules & PATHS.keys() or {node.module}
    return found & PATHS.keys() - {name}


def test_no_module_imports_itself_through_others():
    graph = {name: imported(name, path) for name, path in PATHS.items()}
    assert len(graph) > 80
    assert "tapeflow.flows.job.settings" in graph["tapeflow.flows.run.plan"]
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_the_runner_and_all_below_import_no_flow():
    flows = {name for name in PATHS if name.count(".") == 2 and name.startswith("tapeflow.flows.")}
    flows = {name for name in flows if PATHS[name].name != "__init__.py"}
    assert "tapeflow.flows.trade" in flows
    for name, path in PATHS.items():
        above = ("tapeflow.flows.cli", "tapeflow.flows.check")
        if not name.startswith(above) and name not in flows:
            assert not imported(name, path) & flows, name
