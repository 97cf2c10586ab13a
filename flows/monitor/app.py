"""The live view on a terminal: a head, and a panel for each part of the snapshot.

    timer ──▶ thread: LiveWatch.refresh ──▶ head and panels, in their places

Colours are the terminal's own, so that it reads on light and dark ones alike. It draws what has
changed only, as over ssh each character counts.
"""

import asyncio
import signal
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.widgets import Footer, Static

from tapeflow.flows.live.model import Snapshot
from tapeflow.flows.live.snapshot import LiveWatch
from tapeflow.flows.monitor.help_screen import HelpScreen
from tapeflow.flows.monitor.panel import Panel
from tapeflow.flows.monitor.tables import head_lines, tables_of
from tapeflow.schemas.errors import TapeflowError

WIDE = 130  # columns from which panels stand in two rows next to each other
PANELS = (
    *("alerts", "partitions", "accounts", "positions", "open_orders", "limits", "states"),
    *("fills", "refusals", "notes"),
)
ENDS = {"gone": "bold red", "stopped": "bold yellow", "starting": "bold yellow"}


class MonitorApp(App[int]):
    """The live view of the last run of some results."""

    TITLE = "tapeflow monitor"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS: ClassVar[str] = """
        Screen { background: ansi_default; }
        #head { padding: 0 1; height: auto; }
        #panels { scrollbar-size-vertical: 1; scrollbar-background: ansi_default; }
        #panels.wide { layout: grid; grid-size: 2; grid-rows: auto; grid-gutter: 0 1; }
        #panels.wide #alerts, #panels.wide #notes { column-span: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "leave", "quit", priority=False),
        Binding("ctrl+c,ctrl+q", "leave", "quit", show=False, priority=True),
        Binding("tab", "app.focus_next", "next panel", show=True),
        Binding("shift+tab", "app.focus_previous", "previous panel", show=False),
        Binding("down", "scroll_panels(1)", show=False),
        Binding("up", "scroll_panels(-1)", show=False),
        Binding("pagedown", "scroll_panels(10)", show=False),
        Binding("pageup", "scroll_panels(-10)", show=False),
        Binding("r", "read", "read now", show=False),
        Binding("question_mark,f1", "help", "help", key_display="?"),
    ]

    def __init__(self, watch: LiveWatch, every_s: float) -> None:
        """Show what `watch` reads, every so many seconds."""
        super().__init__(ansi_color=True)
        self.watch_results, self.every_s = watch, every_s
        self.is_reading = False
        self.snapshot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        """Yield the head, the panels, and the keys."""
        yield Static("reading ...", id="head")
        with VerticalScroll(id="panels", can_focus=False):
            for name in PANELS:
                yield Panel(name)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to read, and leave at a signal as at the key."""
        self.theme = "ansi-dark"
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            try:
                loop.add_signal_handler(number, self.action_leave)
            except (ValueError, RuntimeError):
                break  # not the main thread: a test
        self.set_interval(self.every_s, self.action_read)
        self.action_read()

    def action_read(self) -> None:
        """Read a snapshot on a thread, unless one is being read."""
        if not self.is_reading:
            self.is_reading = True
            self.read_snapshot()

    @work(thread=True, exit_on_error=True)
    def read_snapshot(self) -> None:
        """Read a snapshot and pass it to the screen."""
        try:
            found: Snapshot | str = self.watch_results.refresh()
        except TapeflowError as error:
            found = str(error)
        finally:
            self.is_reading = False
        self.call_from_thread(self.show_snapshot, found)

    def show_snapshot(self, found: Snapshot | str) -> None:
        """Draw a snapshot, or why there is none."""
        head = self.query_one("#head", Static)
        if isinstance(found, str):
            head.update(Text(found, style="bold red"))
            return
        self.snapshot = found
        head.update(head_text(found))
        for table in tables_of(found):
            self.query_one(f"#{table.name}", Panel).show(table)

    def on_resize(self, event: Resize) -> None:
        """Place the panels for another width."""
        self.query_one("#panels").set_class(event.size.width >= WIDE, "wide")

    def action_scroll_panels(self, rows: int) -> None:
        """Scroll all panels, where none of them has the focus."""
        self.query_one("#panels").scroll_relative(y=rows, animate=False)

    def action_help(self) -> None:
        """Show what the keys and columns mean."""
        self.push_screen(HelpScreen())

    def action_leave(self) -> None:
        """End the view."""
        self.exit(0)


def head_text(snapshot: Snapshot) -> Text:
    """Return the lines above the panels."""
    line, *others = head_lines(snapshot)
    text = Text(line, style=ENDS.get(snapshot.run.state, "bold"))
    for other in others:
        text.append(f"\n{other}", style="not bold default")
    return text
