"""The command `tapeflow`, also `python -m tapeflow ...`: Ctrl-C is one line from the start on."""

import signal
import sys


def run() -> int:
    """Run the command; return its exit code."""
    try:
        from tapeflow.flows.cli.main import main  # noqa: PLC0415  # may be interrupted too

        code = main()
    except KeyboardInterrupt:
        sys.stderr.write("tapeflow: interrupted\n")
        code = 128 + signal.SIGINT
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from here on there is nothing to interrupt
    return code


if __name__ == "__main__":
    sys.exit(run())
