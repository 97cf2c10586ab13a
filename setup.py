"""Builds a wheel from all sources and nothing else, which pyproject.toml cannot ask for.

setuptools packs whatever lies in build/lib, also modules that an earlier build has left there and
that were renamed or deleted since. And it packs happily what little is left of `tapeflow/` where
its links to the rooms were unpacked as plain files, as pip does with a ZIP archive of the checkout.
"""

import shutil
from pathlib import Path

from setuptools import setup
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


if not Path(__file__).with_name("tapeflow").joinpath("flows").is_dir():
    raise SystemExit(LOST_LINKS)
setup(cmdclass={"build": CleanBuild})
