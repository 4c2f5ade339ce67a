"""The four dashboards, panel by panel: which metrics each shows. Both forms are made from it.

Metrics are named by the list of `insight/metrics.py` alone. What no metric says, a query over the ledger does: `query`. Where too
much begins, the rules say: `lines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluice.estate.severity import Severity
from sluice.insight.metrics import METRICS


@dataclass(frozen=True, order=True)
class Line:
    """A level beyond which people are told."""

    level: float
    severity: Severity
    is_over: bool

    @property
    def told(self) -> str:
        """What is written beside it: `P2: over 80`."""
        return f"{self.severity}: {'over' if self.is_over else 'under'} {self.level:g}"


@dataclass(frozen=True)
class Panel:
    """One picture: lines over time, each of a store, or of what in it."""

    title: str
    metrics: tuple[str, ...] = ()
    query: str = ""
    """A statement of include/sql/dashboards.sql, where no metric says it, or nobody keeps that; Grafana alone can ask it."""
    unit: str = ""
    """Grafana's name of a unit, where the metric's name does not end in it."""
    table: bool = False
    """Whether it is a table, and no lines."""
    lines: tuple[Line, ...] = ()
    """Where people are told by another than a rule of a file: the others are drawn by themselves."""


@dataclass(frozen=True)
class Dashboard:
    """One page."""

    name: str
    title: str
    told: str
    panels: tuple[Panel, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that it shows, each once."""
        return tuple(dict.fromkeys(metric for panel in self.panels for metric in panel.metrics))


WRONG = Panel("What is wrong now", query="show_wrong", table=True)
"""The first on each page, over its whole width."""
DATABASE = Dashboard(
    "database",
    "Database",
    "How quick it answers, how much it does, and what goes wrong in it.",
    (
        WRONG,
        Panel("A statement's mean", ("mean_statement_milliseconds",)),
        Panel(
            "DynamoDB: latency",
            ("latency_p50_milliseconds", "latency_p95_milliseconds", "latency_p99_milliseconds"),
        ),
        Panel("Transactions", ("transactions_rate",)),
        Panel("DynamoDB: units consumed", ("read_units_rate", "write_units_rate")),
        Panel("Errors", ("rollbacks_rate", "deadlocks_rate", "fatal_sessions_rate", "system_errors_rate")),
        Panel("Cache hits", ("cache_hit_percent",)),
        Panel("Statements over a second", ("slow_statements_count",)),
        Panel("Sessions that wait for a lock over 30 s", ("lock_waits_count",)),
        Panel("A replica's lag", ("replica_lag_seconds",)),
        Panel("Dead rows", ("dead_rows_percent",)),
        Panel("Bloat", ("bloat_percent",)),
        Panel("Transaction numbers used up", ("wraparound_percent",)),
    ),
)
APPLICATION = Dashboard(
    "application",
    "Application",
    "What those who connect meet: room, waiting, refusals.",
    (
        WRONG,
        Panel("Connections used", ("connections_used_percent",)),
        Panel("Sessions", ("connections_count",)),
        Panel("Clients that wait for the pool", ("pool_clients_waiting_count",)),
        Panel("How long the first waits", ("pool_wait_seconds",)),
        Panel("Pool in use", ("pool_servers_used_percent",)),
        Panel("Sessions ended by an error or a kill", ("fatal_sessions_rate",)),
        Panel("DynamoDB: requests refused for want of units", ("throttled_requests_rate",)),
        Panel("The oldest statement", ("longest_statement_seconds",)),
        Panel("The oldest transaction", ("longest_transaction_seconds",)),
        Panel("The longest wait for a lock", ("longest_lock_wait_seconds",)),
    ),
)
INFRASTRUCTURE = Dashboard(
    "infrastructure",
    "Infrastructure",
    "Machines, disks and network, and those who measure them.",
    (
        WRONG,
        Panel("Up", ("up_count", "table_up_count", "metadata_up_count")),
        Panel("Processors", ("cpu_percent",)),
        Panel("Memory", ("memory_used_percent",)),
        Panel("Disk used", ("disk_used_percent",)),
        Panel("Disk left", ("disk_free_bytes",)),
        Panel("Reads and writes of the disk", ("read_operations_rate", "write_operations_rate"), unit="iops"),
        Panel("Network", ("network_received_bytes_rate", "network_sent_bytes_rate"), unit="Bps"),
        Panel("Log written", ("wal_bytes_rate",), unit="Bps"),
        Panel("Log that slots hold back", ("slot_retained_bytes",)),
        Panel("DynamoDB: units used", ("read_units_used_percent", "write_units_used_percent")),
        Panel(
            "Airflow: since its last sign of life",
            ("scheduler_age_seconds", "dag_processor_age_seconds", "triggerer_age_seconds"),
        ),
        Panel(
            "Since numbers were kept",
            ("collector_age_seconds",),
            query="show_ages",
            lines=(Line(600, "P2", is_over=True),),
        ),
    ),
)
BUSINESS = Dashboard(
    "business",
    "Business",
    "What there is and how it grows, which tables move, and how old the last proof is.",
    (
        WRONG,
        Panel("Rows of tables", ("table_rows_count",)),
        Panel("Rows that came in a day", query="show_growth", unit="short"),
        Panel("Tables on the disk", ("table_bytes",)),
        Panel("DynamoDB: items", ("items_count",)),
        Panel("DynamoDB: tables", ("items_bytes",)),
        Panel(
            "For how long there are partitions",
            ("partition_headroom_days",),
            lines=(Line(7, "P1", is_over=False), Line(28, "P2", is_over=False)),
        ),
        Panel("Migrations", query="show_migrations", table=True),
        Panel("Since each gate was last green", query="show_gates", table=True),
        Panel("What was scaled", query="show_scalings", table=True),
    ),
)
DASHBOARDS = (DATABASE, APPLICATION, INFRASTRUCTURE, BUSINESS)


def of_what(metric: str) -> str:
    """What a subject of a metric is: a table, a replica; '' where the store itself is measured. Raises KeyError."""
    return METRICS[metric].of
