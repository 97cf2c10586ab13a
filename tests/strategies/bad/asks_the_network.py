"""Asks a server for its opinion."""

import socket

from tapeflow import Strategy


class AsksTheNetwork(Strategy):
    def on_bar(self, state, bar, context):
        with socket.create_connection(("127.0.0.1", 9), timeout=0.01):  # here
            return ()
