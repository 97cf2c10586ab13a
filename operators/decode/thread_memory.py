"""What a thread remembers between pages of a venue. No result depends on it, only the speed."""

import numpy as np

from tapeflow.operators.decode.table_rows import TableRows, has_templates
from tapeflow.operators.decode.template_layout import (
    LAST,
    MISSED_FRAME,
    MISSED_PLAN,
    MISSES,
    NEVER,
    NO_TEMPLATE,
    TEMPLATE_OF,
)
from tapeflow.operators.decode.templates import make_template
from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Ints

ROWS_A_FRAME_MAX = 8  # for which memory is taken at first
TEMPLATES_MAX = 16  # of the channels of which frames come
PATIENCE_MAX = 1 << 20  # frames


class ThreadMemory:
    """The memory of one thread for one scanner."""

    def __init__(self, scratch: Ints, tables: TableRows) -> None:
        """Begin with a copy of this scratch memory, and no template."""
        self.scratch, self.tables = scratch.copy(), tables
        self.rows_a_frame = 1  # there is memory for so many; for all that frames could hold is slow
        plans = range(len(tables.plans))
        templates_of = [NO_TEMPLATE if has_templates(tables, plan) else NEVER for plan in plans]
        self.templates = np.array([0] * TEMPLATE_OF + templates_of, np.int64)
        self.made: dict[int, Ints] = {}  # by plan; the kernel has their addresses
        self.misses, self.patience = 0, 1

    def learn(self, page: Page) -> None:
        """Make a template of a frame of this page that missed them, if enough frames did.

        After each, twice as many must miss: a venue that changes how it writes a channel gets a new
        one, and frames that are all different cost little.
        """
        missed = int(self.templates[MISSES])
        self.misses += missed
        if not missed or self.misses < self.patience:
            return
        self.misses, self.patience = 0, min(2 * self.patience, PATIENCE_MAX)
        frame, plan = self.templates[[MISSED_FRAME, MISSED_PLAN]].tolist()
        template = make_template(self.tables, plan, page.frame(frame))
        if template is None or (plan not in self.made and len(self.made) == TEMPLATES_MAX):
            return
        made = self.made.setdefault(plan, template)
        made[:] = template
        self.templates[LAST] = self.templates[TEMPLATE_OF + plan] = made.ctypes.data
