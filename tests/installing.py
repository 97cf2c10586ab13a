"""A wheel of the checkout, and environments in which nothing else is installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.running import ROOT

NOT_SOURCES = (".*", "build", "*.egg-info", "__pycache__", "*.duckdb*", "*.so")
PINNED = re.compile(r"^[\w.-]+==[^\\\n]+", re.MULTILINE)  # without hashes: those are all or none
OURS = re.compile(r"TAPEFLOW_|NUMBA_|PYTHON|VIRTUAL_ENV|XDG_")
BARE = {name: value for name, value in os.environ.items() if not OURS.match(name)}


class Install(NamedTuple):
    """An environment with the wheel in it, as it is used: whose home, by which user."""

    python: Path
    home: Path
    user: tuple[str, ...] = ()  # what runs a command as that user, in front of it

    @property
    def package(self):
        (found,) = self.python.parents[1].glob("lib/python*/site-packages/tapeflow")
        return found

    def run(self, folder, program, *arguments, **variables):
        """Run a program of the environment in a folder: what it prints."""
        command = [*self.user, self.python.with_name(program), *arguments]
        return run_checked(command, cwd=folder, env={**BARE, "HOME": str(self.home), **variables})


def run_checked(command, **options):
    line = [str(part) for part in command]
    done = subprocess.run(
        line, check=False, capture_output=True, text=True, **{"env": BARE, **options}
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done


def works(python):
    """Does it start? A name on PATH may lead to a version that is not installed."""
    return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0


def interpreter(version):
    """A Python of the version: this one, one on PATH, one of pyenv's; None where there is none."""
    ours = sys.executable if version == f"{sys.version_info[0]}.{sys.version_info[1]}" else None
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    found = [ours, shutil.which(f"python{version}"), *pyenv]
    return next((each for each in found if each and works(each)), None)


def checkout_copy(folder):
    """A copy of the sources, without what builds and runs have left."""
    ignore = shutil.ignore_patterns(*NOT_SOURCES)
    return Path(shutil.copytree(ROOT, folder / "checkout", symlinks=True, ignore=ignore))


def wheel_command(checkout, folder):
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    return [*pip, "--wheel-dir", str(folder), str(checkout)]


def pip_install(python, wheel, extra=""):
    """Install the wheel and what it needs, in the versions of the lock."""
    constraints = wheel.with_name("constraints.txt")
    constraints.write_text("\n".join(PINNED.findall((ROOT / "requirements.lock").read_text())))
    pip = [python, "-m", "pip", "install", "--quiet", "--constraint", constraints]
    run_checked([*pip, f"tapeflow{extra} @ {wheel.as_uri()}"])


def build_wheel(folder):
    """Build it from a copy of the checkout in which an earlier build has left a module."""
    checkout = checkout_copy(folder)
    stale = checkout / "build" / "lib" / "stale.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    run_checked(wheel_command(checkout, folder))
    (built,) = folder.glob("*.whl")
    return built
