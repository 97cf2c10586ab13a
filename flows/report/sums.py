"""Find where amounts of several accounts and strategies may not be added to one."""

from tapeflow.flows.report.source import Source

RIVALS = (
    "The strategies are variants of a sweep, each alone with the log: nothing is added over them."
)
CURRENCIES = "The accounts have different currencies at par: nothing is added over them."


def find_obstacle(source: Source) -> str:
    """Return why nothing is added over accounts and strategies; "" where it is."""
    if source.count("variants"):
        return RIVALS
    at_par = {frozenset(each.get("at_par") or ()) for each in source.job.get("accounts", [])}
    return CURRENCIES if len(at_par) > 1 else ""
