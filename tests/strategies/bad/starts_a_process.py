"""Asks another program."""

import subprocess

from tapeflow import Strategy


class StartsAProcess(Strategy):
    def on_bar(self, state, bar, context):
        subprocess.run(["true"], check=True)  # here
        return ()
