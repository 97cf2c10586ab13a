"""The metrics page of a run, as another process reads it: records, lag and restarts.

A page that does not answer is no error: the snapshot says so, and takes its numbers from facts.
"""

import urllib.request
from urllib.error import URLError

from msgspec import Struct

PATIENCE_S = 2.0
ANY_HOST = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # listens on all addresses


class Page(Struct, frozen=True):
    """The samples of one scrape."""

    by_partition: dict[str, dict[str, float]]  # name of the metric: value by partition
    values: dict[str, float]  # of metrics without labels

    def of(self, name: str, partition: str) -> float | None:
        """Return the value of a partition; None where the page has none."""
        return self.by_partition.get(name, {}).get(partition)


def page_address(host: str = "", port: int = 0) -> str:
    """Return where the page of `[metrics]` is; "" where the job has none.

    >>> page_address("0.0.0.0", 9464), page_address("::1", 1), page_address("127.0.0.1", 0)
    ('http://127.0.0.1:9464/metrics', 'http://[::1]:1/metrics', '')
    """
    if not port:
        return ""
    host = ANY_HOST.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}/metrics"


def scrape(address: str) -> Page | None:
    """Return the samples of a page; None where it does not answer within PATIENCE_S."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415  # slow

    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
        families = [*text_string_to_metric_families(text)]
    except (URLError, OSError, ValueError):
        return None
    page = Page({}, {})
    for family in families:
        for sample in family.samples:
            if set(sample.labels) == {"partition"}:
                values = page.by_partition.setdefault(sample.name, {})
                values[sample.labels["partition"]] = sample.value
            elif not sample.labels:
                page.values[sample.name] = sample.value
    return page
