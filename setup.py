"""What pyproject.toml cannot say: a wheel is built from the sources alone.

setuptools packs whatever lies in build/lib, also the modules that an earlier build has left there
and that were renamed or deleted since.
"""

import shutil

from setuptools import setup
from setuptools.command.build import build


class CleanBuild(build):
    """Builds into an empty folder."""

    def run(self) -> None:
        """Delete what an earlier build has left, and build."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(cmdclass={"build": CleanBuild})
