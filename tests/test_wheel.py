"""One installed package: what a wheel holds, and that it works where nothing else is.

    checkout ─▶ wheel ─▶ an empty environment ─▶ an empty folder: demo, replay, query

The slow tests download the dependencies with pip, in the versions of requirements.lock.
"""

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import find_packages

from tapeflow.engine.rungs import NOT_CACHED
from tests.installing import (
    Install,
    checkout_copy,
    interpreter,
    pip_install,
    run_checked,
    wheel_command,
)
from tests.running import JOB, REFERENCE, ROOT, replay

ROOMS = ("connectors", "engine", "flows", "operators", "schemas", "strategies")
VERSIONS = ("3.11", "3.12")
GOLDEN = REFERENCE / "golden"
LIBRARY = "tapeflow/engine/kernels.so"
SMALL_KERNEL = """
from tapeflow.engine.compiled import compiled

@compiled
def add(left, right):
    return left + right
"""  # the product's own take ten seconds to compile
# Root may write what forbids it, unless it gives up CAP_DAC_OVERRIDE (1) by PR_CAPBSET_DROP (24).
AS_OTHERS = (
    sys.executable,
    "-c",
    "import ctypes, os, sys; os.getuid() or ctypes.CDLL(None).prctl(24, 1, 0, 0, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])",
)


def sources(folder):
    """The modules below a folder, as paths in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*.py")}


def packaging():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_room_is_linked_into_the_package():
    links = {path.name: path for path in (ROOT / "tapeflow").iterdir() if path.is_symlink()}
    assert links.keys() == {*ROOMS, "jobs"}
    for name, link in links.items():
        assert link.resolve() == ROOT / name
        assert not link.readlink().is_absolute()


def test_the_packages_are_tapeflow_and_every_folder_of_a_room():
    found = find_packages(str(ROOT), include=packaging()["packages"]["find"]["include"])
    folders = {Path(room, path).parent for room in ROOMS for path in sources(ROOT / room)}
    expected = {".".join(("tapeflow", *folder.parts)) for folder in folders}
    assert set(found) == {"tapeflow", *expected}


# What is installed.


@pytest.fixture(scope="module", params=VERSIONS)
def install(request, wheel, tmp_path_factory):
    """The wheel and what it needs, without numba."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} on PATH, nor one of pyenv's")
    folder = tmp_path_factory.mktemp("install")
    run_checked([python, "-m", "venv", folder / "venv"])
    (folder / "home").mkdir()
    made = Install(folder / "venv" / "bin" / "python", folder / "home")
    pip_install(made.python, wheel)
    return made


@pytest.fixture(scope="module")
def fast_install(install, wheel):
    """The same environment with numba, from here on."""
    pip_install(install.python, wheel, "[fast]")
    return install


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The digest of the golden tapes, replayed from the checkout."""
    return replay(GOLDEN, tmp_path_factory.mktemp("expected") / "results.duckdb")


@pytest.mark.slow
def test_a_wheel_holds_tapeflow_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tapeflow"}
    modules = {f"tapeflow/{room}/{path}" for room in ROOMS for path in sources(ROOT / room)}
    modules |= {"tapeflow/__init__.py", "tapeflow/__main__.py"}
    folders = ("jobs", "flows/report/assets", "flows/serve/assets")
    data = {f"tapeflow/{name}/{path.name}" for name in folders for path in (ROOT / name).iterdir()}
    assert {n for n in names if ".dist-info/" not in n} == modules | data | {
        "tapeflow/py.typed",
        LIBRARY,
    }
    assert wheel.stem.startswith("tapeflow-") and "-py3-none-" in wheel.stem
    assert not wheel.stem.endswith("-any")


def replay_installed(install, folder, **variables):
    """Replay the golden tapes with the job that was installed: its digest, and what it noted."""
    job = install.package / "jobs" / JOB.name
    line = ["replay", GOLDEN, "--config", job, "--results", "golden.duckdb"]
    notices = install.run(folder, "tapeflow", *line, **variables).stderr
    return install.run(folder, "tapeflow", "digest", "golden.duckdb").stdout.strip(), notices


def check_commands(install, folder, expected, **variables):
    """Run what a user tries first, in an empty folder; return what the commands noted."""
    assert "demo" in install.run(folder, "python", "-m", "tapeflow", "--help").stdout
    demo = install.run(folder, "tapeflow", "demo", "--seconds", "60", "--json", **variables)
    fills = json.loads(demo.stdout)["fills"]
    assert fills > 0
    query = ["query", "SELECT count(*) AS n FROM fills", "--format", "json"]
    assert json.loads(install.run(folder, "tapeflow", *query).stdout) == [{"n": fills}]
    digest, notices = replay_installed(install, folder, **variables)
    assert digest == expected
    return demo.stderr + notices


@pytest.mark.slow
def test_without_numba_it_works_in_an_empty_folder(install, expected, tmp_path):
    assert "kernels" not in check_commands(install, tmp_path, expected)
    doctor = install.run(tmp_path, "tapeflow", "doctor").stdout
    assert f"kernels compiled ahead of time, in {install.package / 'engine'}" in doctor


@pytest.mark.slow
def test_without_numba_and_library_it_says_that_it_is_slow(install, expected, tmp_path):
    library = install.package.parent / LIBRARY
    library.rename(tmp_path / library.name)
    try:
        assert "and numba is not installed" in check_commands(install, tmp_path, expected)
    finally:
        shutil.move(tmp_path / library.name, library)


@pytest.mark.slow
def test_with_numba_it_works_in_an_empty_folder(fast_install, expected, tmp_path):
    notices = check_commands(fast_install, tmp_path, expected, TAPEFLOW_KERNELS="cache")
    assert "numba" not in notices
    cached = list(fast_install.package.rglob("*.nbi"))
    assert {path.parent.name for path in cached} == {"__pycache__"}
    doctor = fast_install.run(tmp_path, "tapeflow", "doctor", TAPEFLOW_KERNELS="cache").stdout
    assert f"caches machine code in {fast_install.package / 'engine' / '__pycache__'}" in doctor


@pytest.mark.slow
def test_the_installed_flow_runs_under_the_engines_own_command(fast_install, expected, tmp_path):
    line = ["-m", "bytewax.run", "tapeflow.flows.trade:flow", "-w", "2"]
    fast_install.run(
        tmp_path,
        "python",
        *line,
        TAPEFLOW_CONFIG=str(JOB),
        TAPEFLOW_TAPES=str(GOLDEN),
        TAPEFLOW_RESULTS="results.duckdb",
    )
    digest = fast_install.run(tmp_path, "tapeflow", "digest", "results.duckdb").stdout
    assert digest.strip() == expected


@pytest.fixture
def read_only(fast_install, tmp_path):
    """The environment without a cache, with no folder that can be written and no home."""
    for cached in fast_install.package.rglob("*.nb[ic]"):
        cached.unlink()
    homes = tmp_path / "homes"
    homes.mkdir()
    package = fast_install.package
    (package / "small_kernel.py").write_text(SMALL_KERNEL)
    folders = [homes, package, *(path for path in package.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield fast_install._replace(home=homes / "none", user=AS_OTHERS)
    for folder in folders:
        folder.chmod(0o755)


def skip_unless_read_only(install, folder):
    """Skip where the user writes into folders that forbid it."""
    code = f"import os; print(os.access({str(install.package)!r}, os.W_OK))"
    if install.run(folder, "python", "-c", code).stdout.strip() == "True":
        pytest.skip("this user may write anywhere")


@pytest.mark.slow
def test_a_read_only_install_without_a_home_compiles_in_memory(read_only, expected, tmp_path):
    skip_unless_read_only(read_only, tmp_path)
    cached = {"TAPEFLOW_KERNELS": "cache"}
    assert NOT_CACHED in read_only.run(tmp_path, "tapeflow", "doctor", **cached).stdout
    digest, notices = replay_installed(read_only, tmp_path, **cached)
    assert digest == expected
    assert notices.count(NOT_CACHED) == 1
    assert not list(read_only.package.rglob("*.nbi"))


@pytest.mark.slow
def test_a_read_only_install_caches_kernels_in_the_users_folder(read_only, tmp_path):
    skip_unless_read_only(read_only, tmp_path)
    at_home = read_only._replace(home=tmp_path)
    code = "from tapeflow.small_kernel import add; print(add(1, 2))"
    assert at_home.run(tmp_path, "python", "-c", code).stdout == "3\n"
    cache = tmp_path / ".cache" / "numba"
    assert len(list(cache.rglob("small_kernel.add-*.nbi"))) == 1
    doctor = at_home.run(tmp_path, "tapeflow", "doctor", TAPEFLOW_KERNELS="cache").stdout
    assert f"caches machine code in {cache}" in doctor


# The checkout.


@pytest.mark.slow
def test_an_editable_install_sees_new_files_and_offers_tapeflow_alone(tmp_path):
    checkout = checkout_copy(tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run_checked([sys.executable, "-m", "venv", tmp_path / "venv"])
    run_checked([python, "-m", "pip", "install", "--quiet", "--no-deps", "--editable", checkout])
    (checkout / "operators" / "added").mkdir()
    (checkout / "operators" / "added" / "__init__.py").write_text("ANSWER = 42")
    look = "import tapeflow.operators.added as a, importlib.util as u; print(a.ANSWER, *map(u.find_spec, {}))"
    done = run_checked([python, "-c", look.format([*ROOMS, "tests", "bench"])], cwd=tmp_path)
    assert done.stdout.split() == ["42"] + ["None"] * (len(ROOMS) + 2)


@pytest.mark.slow
def test_a_checkout_that_lost_its_links_is_not_packed(tmp_path):
    checkout = checkout_copy(tmp_path)
    (checkout / "tapeflow" / "flows").unlink()
    (checkout / "tapeflow" / "flows").write_text("../flows")  # as pip unpacks a ZIP archive
    done = subprocess.run(
        wheel_command(checkout, tmp_path), check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "links in tapeflow/ were lost" in done.stderr
