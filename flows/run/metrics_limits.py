"""Metrics of drawdown: how far below its peak the equity of an account is, and what it may be."""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from tapeflow.flows.job.settings import Job

ByAccount = Mapping[tuple[str, ...], float]


def drawdown_families(job: Job, high: ByAccount, now: ByAccount) -> Iterator[Metric]:
    """Yield the drawdown of accounts with capital, and its limit where the job has one.

    `high` is the greatest and `now` the newest sum of an account's rows in `equity`.
    """
    drawdown = GaugeMetricFamily(
        "tapeflow_drawdown_ratio",
        "1 - equity / peak of an account that declares its capital, at samples of `equity`",
        labels=["scope"],
    )
    limits = GaugeMetricFamily(
        "tapeflow_drawdown_limit_ratio", "Drawdown that the job allows", labels=["scope"]
    )
    for account in job.accounts:
        scope, key = f"account:{account.name}", (account.name,)
        if account.capital is not None and key in now:
            capital = float(account.capital)
            peak = capital + max(high.get(key, 0.0), 0.0)
            drawdown.add_metric([scope], 1 - (capital + now[key]) / peak)
        if scope in job.limits and (limit := job.limits[scope].drawdown) is not None:
            limits.add_metric([scope], limit)
    yield drawdown
    yield limits
