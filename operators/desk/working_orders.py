"""The orders at work, by id and by what links them; those that are over are forgotten.

    entry ──parent──▶ exits, in groups        an order, its links and the links of those: a family
      └──group──▶ other entries
      └──parent──▶ children, its slices

A report may come after the end of its order, and an exit asks what its entry has filled: a family
is forgotten as one, when all of it has been DONE for `late_ns` of log time. So memory is bounded by
the families that live, and those that ended in the last `late_ns`.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tapeflow.operators.desk.working import DONE, Sliced, Working

LATE_NS = 60_000_000_000  # added to the longest that a request and its answer take


@dataclass(slots=True)
class WorkingOrders:
    """All orders that are not forgotten, in the order in which they were added."""

    late_ns: int = LATE_NS
    by_id: dict[str, Working] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)  # exits and slices, by parent
    groups: dict[str, list[str]] = field(default_factory=dict)
    slices: dict[str, Sliced] = field(default_factory=dict)  # by order that is sliced
    living: dict[str, dict[str, Working]] = field(default_factory=dict)  # by strategy, then id
    over: deque[str] = field(default_factory=deque)  # ids in the order in which they ended

    @classmethod
    def from_rows(
        cls, rows: Iterable[Working], slices: Iterable[Sliced] = (), late_ns: int = LATE_NS
    ) -> "WorkingOrders":
        """Return the orders of a snapshot: those of `rows()`, and the values of `slices`."""
        orders = cls(late_ns)
        orders.slices |= {each.order_id: each for each in slices}
        for working in rows:
            orders.add(working)
        done = [each for each in orders.by_id.values() if each.phase == DONE]
        for each in sorted(done, key=lambda each: each.done_ns):
            orders.note_end(each)
        return orders

    def rows(self) -> Iterator[Working]:
        """Yield all orders, in the order in which they were added: with `slices` a snapshot."""
        yield from self.by_id.values()

    def add(self, working: Working) -> Working:
        """Add an order; return it."""
        order = working.order
        assert order.id not in self.by_id, f"order {order.id} is at work"
        self.by_id[order.id] = working
        self.living.setdefault(order.strategy, {})[order.id] = working
        if order.parent:
            self.children.setdefault(order.parent, []).append(order.id)
        if order.group:
            self.groups.setdefault(order.group, []).append(order.id)
        return working

    def get(self, order_id: str) -> Working | None:
        """Return an order, or None where it never was or is forgotten.

        Call `forget` with the log time of a report before: so it does not depend on pages whether
        a late report finds its order.
        """
        return self.by_id.get(order_id)

    def living_of(self, strategy: str) -> Iterable[Working]:
        """Return the orders of a strategy that are not over, the first added first."""
        return self.living.get(strategy, {}).values()

    def all_living(self) -> Iterator[Working]:
        """Yield the orders that are not over, slices too: strategies by name, then as added."""
        for _, orders in sorted(self.living.items()):
            yield from orders.values()

    def exits_of(self, order_id: str) -> list[list[Working]]:
        """Return the exits of an order, each group a list."""
        exits = [each for each in self.children_of(order_id) if each.order.role == "exit"]
        groups = dict.fromkeys(each.order.group for each in exits)
        return [self.members(group) for group in groups]

    def children_of(self, order_id: str) -> list[Working]:
        """Return all orders whose parent is this one, the first added first."""
        return [self.by_id[each] for each in self.children.get(order_id, ())]

    def members(self, group: str) -> list[Working]:
        """Return the orders of a group, the first added first."""
        return [self.by_id[each] for each in self.groups.get(group, ())]

    def note_end(self, working: Working) -> None:
        """Note that an order has ended: call it for each outcome that is `ended`."""
        self.over.append(working.order.id)
        self.living[working.order.strategy].pop(working.order.id, None)

    def forget(self, now_ns: int) -> list[str]:
        """Forget the families that have been over for `late_ns`; return the ids of their orders."""
        forgotten: list[str] = []
        while self.over:
            working = self.by_id.get(self.over[0])
            if working is not None and working.phase == DONE:
                if working.done_ns + self.late_ns > now_ns:
                    break
                family = self.family(working)
                if all(self.is_over(each, now_ns) for each in family):
                    forgotten += [self.remove(each) for each in family]
            self.over.popleft()  # of a family that lives: the last of it to end comes here again
        return forgotten

    def is_over(self, working: Working, now_ns: int) -> bool:
        """Return whether nothing is to be expected of an order any more."""
        return working.phase == DONE and working.done_ns + self.late_ns <= now_ns

    def family(self, working: Working) -> list[Working]:
        """Return all orders that are linked to this one, over any number of links."""
        order = working.order
        if not (order.parent or order.group or order.id in self.children):
            return [working]
        found: dict[str, Working] = {}
        to_visit = [working]
        while to_visit:
            each = to_visit.pop()
            if each.order.id in found:
                continue
            found[each.order.id] = each
            to_visit += self.children_of(each.order.id) + self.members(each.order.group)
            if each.order.parent:
                to_visit.append(self.by_id[each.order.parent])
        return [*found.values()]

    def remove(self, working: Working) -> str:
        """Remove an order and what it is known by; return its id."""
        order = working.order
        del self.by_id[order.id]
        self.children.pop(order.id, None)
        self.groups.pop(order.group, None)
        self.slices.pop(order.id, None)
        return order.id
