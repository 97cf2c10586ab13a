"""Builds a wheel from all sources, its kernels compiled, which pyproject.toml cannot ask for.

setuptools packs whatever lies in build/lib, also modules that an earlier build has left there and
that were renamed or deleted since. And it packs happily what little is left of `tapeflow/` where
its links to the rooms were unpacked as plain files, as pip does with a ZIP archive of the checkout.

    sources ─▶ build/lib ─▶ flows/cli/build_kernels.py ─▶ tapeflow/engine/kernels.so

The library serves every version of Python on one platform, so the wheel is for that platform.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

LOST_LINKS = (
    "tapeflow/flows is no folder: the links in tapeflow/ were lost on the way here. "
    "Install from a git clone, a .tar.gz archive or an sdist, not from a ZIP archive"
)


class CleanBuild(build):
    """Builds into an empty folder."""

    def run(self) -> None:
        """Delete what an earlier build has left, and build."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        library = Path(self.build_lib, "tapeflow", "engine", "kernels.so").resolve()
        library.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tapeflow.flows.cli.build_kernels", "--to", str(library)]
        unwritten = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # no .pyc becomes data
        subprocess.run(command, check=True, cwd=self.build_lib, env=unwritten)
        shutil.rmtree(library.with_name("__pycache__"), ignore_errors=True)  # of single kernels


class PlatformWheel(bdist_wheel):
    """A wheel for one platform and every version of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tag of versions, that of the ABI, and the platform."""
        return "py3", "none", super().get_tag()[2]


class PlatformDistribution(Distribution):
    """What holds machine code, though none that setuptools compiles."""

    def has_ext_modules(self) -> bool:
        """Return that it is of one platform."""
        return True


if not Path(__file__).with_name("tapeflow").joinpath("flows").is_dir():
    raise SystemExit(LOST_LINKS)
setup(
    cmdclass={"build": CleanBuild, "bdist_wheel": PlatformWheel},
    distclass=PlatformDistribution,
)
