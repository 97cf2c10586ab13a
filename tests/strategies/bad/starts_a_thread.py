"""Computes elsewhere."""

from threading import Thread

from tapeflow import Strategy


class StartsAThread(Strategy):
    def on_bar(self, state, bar, context):
        worker = Thread(target=len, args=("x",))
        worker.start()  # here
        worker.join()
        return ()
