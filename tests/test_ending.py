"""A process whose work is done ends at once, with all that Python would have done at its end."""

import subprocess
import sys

import pytest

from tests.running import ROOT

BEGIN = """
import atexit, sys, threading, time
from tapeflow.flows.run.ending import end_process

class Torn:
    def __del__(self):
        print("torn down")

torn = Torn()
"""


def run_script(script, **options):
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-E", "-c", BEGIN + script],
        cwd=ROOT, check=False, text=True, stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE, **options},
    )  # fmt: skip


def test_nothing_is_torn_down_and_the_exit_code_is_that_of_the_command():
    done = run_script("end_process(3)")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")


def test_exit_handlers_run_once_and_the_output_is_flushed():
    done = run_script("""
atexit.register(sys.stdout.write, "handler, ")
sys.stderr.write("message")
sys.stdout.write("line, ")
end_process(0)
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "line, handler, ", "message")


def test_a_thread_that_is_no_daemon_is_waited_for():
    script = """
threading.Thread(target=lambda: (time.sleep(0.3), print("thread ended")){}).start()
end_process(0)
print("Python ends")
"""
    assert run_script(script.format("")).stdout.splitlines() == [
        "Python ends",
        "thread ended",
        "torn down",
    ]
    assert run_script(script.format(", daemon=True")).stdout == ""


@pytest.mark.parametrize("watch", ["settrace", "setprofile"])
def test_a_debugger_or_a_profiler_sees_the_end_of_python(watch):
    script = f"sys.{watch}(lambda *_: None)\nend_process(0)\nprint('Python ends')"
    assert "Python ends" in run_script(script).stdout


def test_output_that_cannot_be_written_ends_as_python_ends_it():
    with open("/dev/full", "w") as full:
        done = run_script("print('line')\nend_process(0)", stdout=full)
    assert done.returncode == 120
    assert "No space left on device" in done.stderr


def test_the_command_ends_so_and_collects_seldom_while_it_starts():
    script = """
import gc
from tapeflow.__main__ import GC_START, run
sys.argv = ["tapeflow", "--version"]
atexit.register(lambda: print(gc.get_threshold() == GC_START))
run()
"""
    version, seldom = run_script(script).stdout.splitlines()
    assert version.startswith("tapeflow ")
    assert seldom == "True"
