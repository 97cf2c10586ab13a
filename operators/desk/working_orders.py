"""temporary"""

from dataclasses import dataclass, field
from tapeflow.operators.desk.working import Working


@dataclass
class WorkingOrders:
    by_id: dict[str, Working] = field(default_factory=dict)

    def add(self, working):
        self.by_id[working.order.id] = working

    def get(self, order_id):
        return self.by_id[order_id]

    def snapshot(self):
        return list(self.by_id.values())

    @classmethod
    def restore(cls, rows):
        return cls({w.order.id: w for w in rows})

    def of_account(self, name):
        return [w for w in self.by_id.values() if w.order.account == name and w.leaves]
