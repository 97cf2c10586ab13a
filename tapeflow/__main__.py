"""The command `tapeflow`, also `python -m tapeflow ...`: Ctrl-C is one line from the start on.

    collector seldom ──▶ the command ──▶ the process ends, with nothing torn down

Importing makes 200,000 objects that stay: Python's collector would look at them 300 times, for a
fifth of the time until the first tick.
"""

import gc
import signal
import sys

GC_START = (200_000, 20, 100)  # of gc.set_threshold; a run sets its own (flows/run/tuning.py)


def run() -> int:
    """Run the command and end the process with its exit code; return it where Python is to end."""
    gc.set_threshold(*GC_START)
    try:
        from tapeflow.flows.cli.main import main  # noqa: PLC0415  # may be interrupted too

        code = main()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would interrupt the import
        from tapeflow.flows.run.log_lines import format_notice  # noqa: PLC0415  # as main

        sys.stderr.write(format_notice("interrupted"))
        code = 128 + signal.SIGINT
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from here on there is nothing to interrupt
    from tapeflow.flows.run.ending import end_process  # noqa: PLC0415  # after the signal

    end_process(code)
    return code


if __name__ == "__main__":
    sys.exit(run())
