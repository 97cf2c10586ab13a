"""The help of the live view: its keys, and what the columns mean."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
Keys
  q, Ctrl-C      quit; the flow goes on
  Tab, Shift-Tab next panel, previous panel
  arrows, Page   scroll
  r              read now
  ?, Esc         this help, and back

Partitions
  lag     wall time less log time, of a log without end
  behind  log time of the furthest partition less that of this one
  holds   how long it has held the others (metrics page)
  rate/s  records in a second of wall time
Accounts
  today   equity less that at the last midnight (UTC), as in pnl_daily
  gross   sum of |quantity| * mark of each strategy
Positions
  price   close of the last bar, or the mark of the last fill where that is newer
Limits used
  the last check of each limit and scope that any order met
`-` is what is not known. All fields: docs/monitor.md
"""


class HelpScreen(ModalScreen[None]):
    """The help over the live view."""

    DEFAULT_CSS: ClassVar[str] = """
        HelpScreen { align: center middle; background: ansi_default; }
        HelpScreen VerticalScroll { width: 100%; max-width: 82; height: auto; max-height: 100%;
            border: round ansi_blue; padding: 0 1; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,escape,q,f1", "dismiss", "back", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Yield the text."""
        with VerticalScroll():
            yield Static(HELP, markup=False)
