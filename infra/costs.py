"""What a deployment costs in a month, by calls a day: ``python -m infra.costs`` prints the table of ``docs/reference/aws-stacks.md``.

Every line is a product of figures that are named here. Free tiers, discounts and taxes are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from infra.figures import WEBHOOK_MEMORY_MB

DAYS, HOURS, SECONDS = 30.4, 730.0, 730.0 * 3600
CALLS_A_DAY = (10, 1_000, 100_000)


class Price(NamedTuple):
    """US dollars for a unit, in us-east-1."""

    usd: float
    unit: str
    source: str
    """Where it was read in November 2026, at third parties'. What was not looked up has to be before it is relied on."""


NOT_LOOKED_UP = "**not looked up**"
PRICES = {
    "fargate_cpu": Price(0.03238, "vCPU-hour, ARM", "vantage.sh/blog/fargate-pricing"),
    "fargate_gb": Price(0.00356, "GB-hour, ARM", "vantage.sh/blog/fargate-pricing"),
    "address": Price(0.005, "public IPv4 address and hour", "pocketlantern.dev, March 2026"),
    "balancer": Price(0.0225, "load balancer and hour", NOT_LOOKED_UP),
    "balancer_gb": Price(0.008, "LCU-hour, which is 1 GB", NOT_LOOKED_UP),
    "out_gb": Price(0.09, "GB to the internet, the first 10 TB", NOT_LOOKED_UP),
    "write_unit": Price(0.625e-6, "DynamoDB write request unit", "airbyte.com/data-engineering-resources/dynamodb-pricing"),
    "read_unit": Price(0.125e-6, "DynamoDB read request unit", "airbyte.com/data-engineering-resources/dynamodb-pricing"),
    "stored_gb": Price(0.25, "GB in the table and month", NOT_LOOKED_UP),
    "restorable_gb": Price(0.20, "GB of point-in-time recovery and month", NOT_LOOKED_UP),
    "lambda_request": Price(0.20e-6, "Lambda request", "a table of May 2026 in git.mcrn.ar/mariano/lambda_local_runner"),
    "lambda_gb_s": Price(0.0000133334, "GB-second, ARM", "a table of May 2026 in git.mcrn.ar/mariano/lambda_local_runner"),
    "snapshot_gb_s": Price(0.0000015046, "GB-second of a snapshot that is kept", "awsnegotiations.com, May 2026"),
    "restored_gb": Price(0.0001397998, "GB restored from it", "awsnegotiations.com, May 2026"),
    "api_request": Price(1e-6, "HTTP API request", NOT_LOOKED_UP),
    "valkey_gb": Price(0.084, "GB-hour of the cache, 0.1 at least", "third parties' price pages of 2026"),
    "valkey_unit": Price(0.0023e-6, "ECPU", "third parties' price pages of 2026"),
    "log_gb": Price(0.50, "GB of log", NOT_LOOKED_UP),
    "metric": Price(0.30, "custom metric and month", NOT_LOOKED_UP),
    "alarm": Price(0.10, "alarm and month", NOT_LOOKED_UP),
    "dashboard": Price(3.0, "dashboard and month", NOT_LOOKED_UP),
    "secret": Price(0.40, "secret and month", NOT_LOOKED_UP),
    "twilio_minute": Price(
        0.0085 + 0.004,
        "minute of an incoming US call and its media stream",
        f"usesherlock.ai, 2026; the stream (0.004): {NOT_LOOKED_UP}",
    ),
    "model_call": Price(
        0.20, "call of 3 minutes and 12 turns with gpt-realtime-2.1", "an estimate; the record of a call has the real figure"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What comes in, and what one call takes."""

    calls_a_day: int
    call_s: float = 180.0
    open_h: float = 10.0
    """All calls come in these hours of the day."""
    peak: float = 1.5
    """The fullest of them against their average."""
    kept_months: float = 12.0
    """How long records are kept."""
    write_units_a_s: float = 0.9
    """Counted: see ``docs/reference/dynamodb.md``."""
    read_units_a_call: float = 100.0
    record_kb: float = 25.0
    log_kb: float = 25.0
    webhooks: float = 5.0
    webhook_s: float = 0.05
    bus_messages: float = 200.0
    audio_out_kb_s: float = 25.0
    """To the model and to Twilio, of about 60 in all."""
    audio_door_kb_s: float = 25.0
    """Through the load balancer, both ways."""

    @property
    def calls(self) -> float:
        """In a month."""
        return self.calls_a_day * DAYS

    @property
    def at_peak(self) -> float:
        """Calls at a time."""
        return self.calls_a_day * self.call_s / (self.open_h * 3600) * self.peak

    def gb(self, kb_s: float) -> float:
        """Gigabytes in a month of a stream that every call has."""
        return self.calls * self.call_s * kb_s / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What of the settings costs something."""

    zones: int = 2
    least_tasks: int = 2
    task_cpu: float = 1.0
    task_gb: float = 2.0
    calls_per_task: float = 60.0
    """``max_calls_per_task`` × ``target_capacity_percent``."""
    writes_a_task_h: float = 720.0
    """Each says every five seconds how full it is."""
    reads_a_task_h: float = 600.0
    """Each looks for changed businesses, orphaned calls and what is to be posted."""
    metrics: int = 23
    alarms: int = 26
    secrets: int = 4

    def task_hours(self, traffic: Traffic) -> float:
        """Hours that tasks run in a month: as many as the peak needs while calls come, the least otherwise."""
        by_day = max(self.least_tasks, ceil(traffic.at_peak / self.calls_per_task))
        return DAYS * (by_day * traffic.open_h + self.least_tasks * (24 - traffic.open_h))


def monthly(traffic: Traffic, size: Size = Size()) -> dict[str, float]:
    """US dollars in a month, line by line."""
    return {what: sum(PRICES[name].usd * amount for name, amount in parts) for what, parts in _lines(traffic, size)}


Parts = list[tuple[str, float]]


def _lines(traffic: Traffic, size: Size) -> Iterator[tuple[str, Parts]]:
    hours, calls = size.task_hours(traffic), traffic.calls
    memory_gb = WEBHOOK_MEMORY_MB / 1024
    stored_gb = calls * traffic.kept_months * traffic.record_kb / 1e6
    requests = calls * traffic.webhooks
    yield "tasks", [("fargate_cpu", hours * size.task_cpu), ("fargate_gb", hours * size.task_gb)]
    yield "addresses of tasks and load balancer", [("address", hours + size.zones * HOURS)]
    yield "load balancer", [("balancer", HOURS), ("balancer_gb", traffic.gb(traffic.audio_door_kb_s))]
    yield "audio to the model and to Twilio", [("out_gb", traffic.gb(traffic.audio_out_kb_s))]
    written = calls * traffic.write_units_a_s * traffic.call_s + hours * size.writes_a_task_h
    read = calls * traffic.read_units_a_call + hours * size.reads_a_task_h
    yield "table: requests", [("write_unit", written), ("read_unit", read)]
    yield "table: records kept, and restorable", [("stored_gb", stored_gb), ("restorable_gb", stored_gb)]
    yield (
        "webhooks",
        [
            ("lambda_request", requests),
            ("lambda_gb_s", requests * traffic.webhook_s * memory_gb),
            ("api_request", requests),
            ("restored_gb", min(calls, DAYS * 5000) * memory_gb),
            ("snapshot_gb_s", SECONDS * memory_gb),
        ],
    )
    yield "bus", [("valkey_gb", 0.1 * HOURS), ("valkey_unit", calls * traffic.bus_messages)]
    yield "logs", [("log_gb", calls * traffic.log_kb / 1e6)]
    yield "figures, alarms, dashboard", [("metric", size.metrics), ("alarm", size.alarms), ("dashboard", 1)]
    yield "secrets", [("secret", size.secrets)]


def elsewhere(traffic: Traffic) -> dict[str, float]:
    """What others bill for the same calls, US dollars in a month."""
    minutes = traffic.calls * traffic.call_s / 60
    return {
        "Twilio": PRICES["twilio_minute"].usd * minutes,
        "OpenAI": PRICES["model_call"].usd * traffic.calls * traffic.call_s / 180,
    }


def nat_instead(traffic: Traffic, size: Size = Size()) -> float:
    """US dollars in a month that NAT gateways would cost in place of the tasks' addresses: 0.045 an hour and zone, and 0.045 a GB."""
    through_gb = traffic.gb(traffic.audio_out_kb_s) * 2
    return 0.045 * (size.zones * HOURS + through_gb) - PRICES["address"].usd * size.task_hours(traffic)


def table() -> str:
    """As Markdown."""
    traffics = [Traffic(calls_a_day=calls) for calls in CALLS_A_DAY]
    columns = [monthly(traffic) for traffic in traffics]
    others = [elsewhere(traffic) for traffic in traffics]
    rows = [[what, *(_usd(column[what]) for column in columns)] for what in columns[0]]
    rows.append(["**AWS**", *(f"**{_usd(sum(column.values()))}**" for column in columns)])
    rows.append(["AWS, a call", *(f"{sum(c.values()) / t.calls:,.4f}" for c, t in zip(columns, traffics, strict=True))])
    rows += [[what, *(_usd(other[what]) for other in others)] for what in others[0]]
    rows.append(["NAT gateways would add", *(_usd(nat_instead(traffic)) for traffic in traffics)])
    head = ["US dollars a month", *(f"{calls:,} calls a day" for calls in CALLS_A_DAY)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---", *(["---:"] * len(CALLS_A_DAY))], *rows])


def price_list() -> str:
    """The prices, as Markdown."""
    rows = [["$", "for a", "read at"], ["---:", "---", "---"]]
    rows += [[f"{price.usd:.10f}".rstrip("0").rstrip("."), price.unit, price.source] for price in PRICES.values()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _usd(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"


if __name__ == "__main__":
    print(f"{table()}\n{price_list()}")  # noqa: T201
