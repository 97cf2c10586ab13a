"""The shape of the house: who imports whom, what is called what, how large a file may be.

flows ──▶ operators ──▶ engine ──▶ schemas          no arrow upward, none between operators
  └─────▶ connectors ──────┘                        and connectors
strategies ──▶ the top of `tapeflow`                what a user's own file imports, too
tests ──▶ bench ──▶ the product                     nothing imports tests
"""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = {
    "schemas": {"schemas"},
    "engine": {"engine", "schemas"},
    "operators": {"operators", "engine", "schemas"},
    "connectors": {"connectors", "engine", "schemas"},
    "flows": {"flows", "operators", "connectors", "engine", "schemas"},
    "strategies": set(),
}
MAY_IMPORT = {
    **PRODUCT,
    "bench": {"bench", *PRODUCT},
    "docs": {"docs", "flows", "connectors", "schemas"},
    "tests": {"tests", "bench", "docs", *PRODUCT},
}
EVERYWHERE = [
    path
    for room in MAY_IMPORT
    for path in sorted((ROOT / room).rglob("*.py"))
    if path.parent != ROOT / "tests" / "reference"  # the reference job, as it was given to us
]
FILES = [path for path in EVERYWHERE if path.relative_to(ROOT).parts[0] != "tests"]
OURS = [path for path in FILES if path.relative_to(ROOT).parts[0] in PRODUCT]
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}


def path_name(path):
    return str(path.relative_to(ROOT))


def room_of(path):
    return path.relative_to(ROOT).parts[0]


@cache
def tree_of(path):
    return ast.parse(path.read_text())


def imports_of(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions_of(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_property(function):
    names = {ast.unparse(decorator) for decorator in function.decorator_list}
    return bool(names & {"property", "cached_property"})


each_file = pytest.mark.parametrize("path", EVERYWHERE, ids=path_name)
each_source = pytest.mark.parametrize("path", FILES, ids=path_name)

# --- who imports whom ---------------------------------------------------------------------


@each_file
def test_a_room_imports_only_the_rooms_below_it(path):
    names = {name.removeprefix("tapeflow.").split(".")[0] for name in imports_of(path)}
    assert names & MAY_IMPORT.keys() <= MAY_IMPORT[room_of(path)]


@each_file
def test_imports_are_spelled_from_the_package(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & PRODUCT.keys()


@pytest.mark.parametrize("path", [f for f in OURS if room_of(f) == "strategies"], ids=path_name)
def test_a_strategy_in_the_box_imports_what_a_user_does_and_is_short(path):
    modules = {node.module for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom)}
    assert {name for name in modules if name.startswith("tapeflow")} <= {"tapeflow"}
    assert len(path.read_text().splitlines()) < 60


@each_source
def test_only_connectors_speak_to_kafka_and_duckdb(path):
    doors = {"confluent_kafka", "duckdb"} & {name.split(".")[0] for name in imports_of(path)}
    assert not doors or room_of(path) in {"connectors", "bench"}


@each_source
def test_only_settings_read_the_environment(path):
    reads = "os.environ" in path.read_text() or "getenv" in path.read_text()
    early = {
        "engine/compiled.py",
        "flows/run/log_lines.py",
        "docs/browser.py",
    }  # before the settings are imported
    assert not reads or path_name(path) in {"flows/job/settings.py", *early}


@each_source
def test_only_the_command_line_prints(path):
    prints = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for node in ast.walk(tree_of(path))
    )
    assert (
        not prints or room_of(path) in {"bench", "docs"} or ROOT / "flows" / "cli" in path.parents
    )


# --- what a step may do -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [f for f in OURS if room_of(f) in {"schemas", "operators"}], ids=path_name
)
def test_no_step_reads_a_clock_or_draws_at_random(path):
    modules = {name.split(".")[0] for name in imports_of(path)}
    assert not {"time", "random", "secrets", "uuid"} & modules
    called = {
        node.func.attr
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & CLOCKS


@pytest.mark.parametrize("path", [f for f in OURS if room_of(f) == "operators"], ids=path_name)
def test_the_engine_is_named_only_in_functions_marked_operator(path):
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            marked = any(ast.unparse(each) == "operator" for each in node.decorator_list)
            touches = any(isinstance(n, ast.Name) and n.id == "op" for n in ast.walk(node))
            assert marked or not touches, f"{node.name} touches the engine"


@pytest.mark.parametrize(
    "path", [f for f in OURS if room_of(f) in {"connectors", "operators"}], ids=path_name
)
def test_every_sink_commits_with_the_epoch(path):
    assert "DynamicSink" not in path.read_text(), "a DynamicSink loses data under recovery"
    assert "redistribute(" not in path.read_text(), "redistribute loses the order"


# --- what is called what ------------------------------------------------------------------

FILE_NAMES_BANNED = {"utils", "util", "helpers", "common", "misc", "manager", "base"}
BANNED = {  # a word of an identifier -> what to write (docs/glossary.md)
    "aside": "writer, dropped, or the name of the thing",
    "asked": "the bound value: bound, selected, evaluated",
    "barred": "with_bars",
    "beside": "next to what? name the thing",
    "booked": "apply_fill, update_position",
    "heard": "marks_changed, received, seen",
    "kept": "snapshot, stored, retained",
    "mine": "own, rows, the name of the thing",
    "misuse": "error",
    "said": "message, output, status",
    "tally": "count, quality",
    "theirs": "expected, the name of the other side",
    "told": "name the value",
    "tolds": "account_batches",
    "wish": "intent, proposed",
    "witnessed": "captured",
    "workoff": "process_events",
}
PARTICIPLES = {"called", "compiled", "inlined"}  # decorators: what they make of a function
RIDDLES = {
    "a", "an", "all", "any", "are", "as", "at", "can", "does", "each", "every", "for", "from", "how",
    "in", "is", "it", "may", "no", "nothing", "of", "on", "one", "several", "some", "that", "the",
    "their", "these", "this", "those", "to", "what", "when", "where", "whether", "which", "who",
    "whose", "why", "with",
}  # fmt: skip


def identifiers_of(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).rpartition(".")[2]


def words_of(identifier):
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier)
    return [word for word in spaced.lower().split("_") if word]


@each_file
def test_no_identifier_uses_a_word_of_the_old_dialect(path):
    wrong = {
        f"{name}: {BANNED[word]}"
        for name in identifiers_of(path)
        if not name.startswith("test_")
        for word in words_of(name)
        if word in BANNED
    }
    assert not wrong


@each_source
def test_functions_are_verbs(path):
    wrong = [
        function.name
        for function in functions_of(path)
        if not is_property(function)
        and len(words := words_of(function.name)) == 1
        and words[0].endswith("ed")
        and words[0] not in PARTICIPLES | {"speed"}
    ]
    assert not wrong, "a past participle names a value"


@each_source
def test_docstrings_of_functions_begin_with_a_verb(path):
    wrong = [
        f"{function.name}: {docstring.splitlines()[0]}"
        for function in functions_of(path)
        if not is_property(function) and (docstring := ast.get_docstring(function))
        if docstring.split()[0].lower().strip(".,:;`") in RIDDLES
    ]
    assert not wrong, "write an imperative: Return ..., Read ..., Write ..."


@each_file
def test_files_are_named_by_what_they_do_and_say_it(path):
    assert path.stem not in FILE_NAMES_BANNED
    if path.name != "__init__.py" or room_of(path) != "tests":
        assert ast.get_docstring(tree_of(path)), "no docstring"


# --- how large it may be ------------------------------------------------------------------

FILE_LINES, FUNCTION_LINES = 200, 40
CEILINGS = ROOT / "tests" / "ceilings.json"  # what is larger: these numbers only shrink


def sizes():
    """Return the lines of every file and function that are above the aims."""
    large = {}
    for path in FILES:
        lines = len(path.read_text().splitlines())
        if lines > FILE_LINES:
            large[path_name(path)] = lines
        for function in functions_of(path):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > FUNCTION_LINES:
                large[f"{path_name(path)}:{function.name}"] = lines
    return large


def test_files_and_functions_only_shrink():
    ceilings, large = json.loads(CEILINGS.read_text()), sizes()
    grown = {name: lines for name, lines in large.items() if lines > ceilings.get(name, 0)}
    assert not grown, f"over {FILE_LINES} lines a file, {FUNCTION_LINES} a function, or grown"
    stale = {name: large.get(name, 0) for name in ceilings if large.get(name, 0) < ceilings[name]}
    assert not stale, "smaller now: write the new number, or delete the entry"
