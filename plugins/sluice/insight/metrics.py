"""What is measured, by name: its unit, of what it is, how often. Rules, reports and dashboards name metrics from this list alone.

A name ends in its unit, as Prometheus asks. `total` ends what a server counts since its start; what is kept of it is its rate, a
second, under the name of `rate_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Engine: TypeAlias = Literal["postgres", "dynamodb", "airflow", "sluice"]
Often: TypeAlias = Literal["minute", "hour"]
Wanted: TypeAlias = Literal["always", "in the cloud", "with a pooler", "with a disk"]


@dataclass(frozen=True)
class Metric:
    """One thing that is measured."""

    name: str
    engine: Engine
    often: Often
    of: str
    """What a subject is: a table, a replica; '' where the store itself is measured."""
    told: str
    """What it says, in a line."""
    wanted: Wanted = "always"
    """Where the file has it measured: nobody misses its numbers elsewhere."""
    late: bool = False
    """Whether it is read every five minutes, some minutes late: a number may be older before it counts for nothing."""

    @property
    def unit(self) -> str:
        """The last word of its name."""
        return self.name.rpartition("_")[2]


WANTED: Mapping[str, Wanted] = {
    "cpu_percent": "in the cloud",
    "memory_used_percent": "in the cloud",
    "read_operations_rate": "in the cloud",
    "write_operations_rate": "in the cloud",
    "network_received_bytes_rate": "in the cloud",
    "network_sent_bytes_rate": "in the cloud",
    "pooler_up_count": "with a pooler",
    "pool_clients_waiting_count": "with a pooler",
    "pool_clients_active_count": "with a pooler",
    "pool_servers_used_percent": "with a pooler",
    "pool_wait_seconds": "with a pooler",
    "disk_used_percent": "with a disk",
    "disk_free_bytes": "with a disk",
}
"""What is measured only where the file says how: a new metric of that kind must be here, or it is missed everywhere."""
LATE = {
    "latency_p50_milliseconds",
    "latency_p95_milliseconds",
    "latency_p99_milliseconds",
    "system_errors_rate",
    "disk_used_percent",
    "disk_free_bytes",
    "replica_lag_seconds",
}
"""What a service tells some minutes late: a new metric of that kind must be here, or it comes and goes."""


def _made(engine: Engine, often: Often, *told: tuple[str, str, str]) -> dict[str, Metric]:
    return {
        name: Metric(name, engine, often, of, says, WANTED.get(name, "always"), name in LATE) for name, of, says in told
    }


STORE = ""
METRICS: Mapping[str, Metric] = {
    **_made(
        "postgres",
        "minute",
        ("up_count", STORE, "1 where the server answers, 0 where it does not"),
        ("connections_count", STORE, "sessions of clients"),
        ("connections_used_percent", STORE, "of those that max_connections leaves to clients"),
        ("cache_hit_percent", STORE, "blocks found in shared buffers, since the last look"),
        ("blocks_found_rate", STORE, "blocks found in shared buffers, a second"),
        ("blocks_read_rate", STORE, "blocks asked of the disk, a second"),
        ("transactions_rate", STORE, "commits and rollbacks a second"),
        ("rollbacks_rate", STORE, "rollbacks a second"),
        ("deadlocks_rate", STORE, "deadlocks a second"),
        ("deadlocks_count", STORE, "deadlocks in the last ten minutes"),
        ("fatal_sessions_rate", STORE, "sessions that ended by an error or a kill, a second"),
        ("wal_bytes_rate", STORE, "bytes of log written a second"),
        ("temporary_bytes_rate", STORE, "bytes of temporary files written a second"),
        ("slow_statements_count", STORE, "statements that have run for longer than a second"),
        ("longest_statement_seconds", STORE, "how long the oldest statement has run"),
        ("longest_transaction_seconds", STORE, "how long the oldest transaction has been open"),
        ("mean_statement_milliseconds", STORE, "a statement's mean, since the last look (pg_stat_statements)"),
        ("statements_rate", STORE, "statements a second (pg_stat_statements)"),
        ("statement_milliseconds_rate", STORE, "milliseconds that statements ran, a second (pg_stat_statements)"),
        ("lock_waits_count", STORE, "sessions that have waited for a lock for longer than 30 s"),
        ("longest_lock_wait_seconds", STORE, "how long the oldest waits for its lock"),
        ("replicas_count", STORE, "servers that follow this one"),
        ("replica_lag_seconds", "replica", "how late a replica applies what was written"),
        ("replica_lag_bytes", "replica", "how much of the log a replica has not applied"),
        ("slot_retained_bytes", "slot", "how much log a replication slot holds back"),
        ("slot_inactive_count", "slot", "1 where nobody reads a slot"),
        ("slot_lost_count", "slot", "1 where the log that its reader wants is gone: it can never go on"),
        ("wraparound_percent", STORE, "how far the oldest transaction number is on its way to the end of all"),
        ("detach_pending_count", STORE, "partitions whose detaching has broken off"),
        ("pooler_up_count", STORE, "1 where PgBouncer's console answers, 0 where it does not"),
        ("pool_clients_waiting_count", "pool", "clients that wait for a server connection of PgBouncer"),
        ("pool_clients_active_count", "pool", "clients that have one"),
        ("pool_servers_used_percent", "pool", "of the pool's server connections, those in use"),
        ("pool_wait_seconds", "pool", "how long the first in line waits"),
        ("cpu_percent", STORE, "of the instance's processors (CloudWatch)"),
        ("memory_used_percent", STORE, "of the instance's memory (CloudWatch)"),
        ("disk_used_percent", STORE, "of the disk"),
        ("disk_free_bytes", STORE, "left on the disk"),
        ("read_operations_rate", STORE, "reads of the disk a second (CloudWatch)"),
        ("write_operations_rate", STORE, "writes to the disk a second (CloudWatch)"),
        ("network_received_bytes_rate", STORE, "bytes a second (CloudWatch)"),
        ("network_sent_bytes_rate", STORE, "bytes a second (CloudWatch)"),
    ),
    **_made(
        "postgres",
        "hour",
        ("database_bytes", STORE, "the database on its disk"),
        ("disk_used_bytes", STORE, "what the disk holds: by CloudWatch, else all databases and the log"),
        ("wal_bytes", STORE, "the log on its disk"),
        ("table_bytes", "table", "a table with its partitions, TOAST and indexes"),
        ("index_bytes", "table", "its indexes"),
        ("table_rows_count", "table", "rows, as the planner counts them"),
        ("dead_rows_percent", "table", "of its rows, those that nobody sees any more"),
        ("bloat_percent", "table", "of its bytes, those that hold nothing (estimated)"),
        ("dropped_bytes", "table", "what our own archive has dropped of it, ever"),
        ("dropped_rows_count", "table", "rows that it has dropped of it, ever"),
        ("table_locked_count", "table", "1 where somebody had it locked when it was to be measured"),
        ("partition_headroom_days", "table", "for how long there are partitions"),
    ),
    **_made(
        "dynamodb",
        "minute",
        ("table_up_count", "table", "1 where the table answers, 0 where it does not"),
        ("read_units_rate", "table", "read units consumed a second"),
        ("write_units_rate", "table", "write units consumed a second"),
        ("read_units_provisioned_rate", "table", "read units provisioned; none of a table on demand"),
        ("write_units_provisioned_rate", "table", "write units provisioned; none of a table on demand"),
        ("read_units_used_percent", "table", "of those provisioned"),
        ("write_units_used_percent", "table", "of those provisioned"),
        ("throttled_requests_rate", "table", "requests refused for want of units, a second"),
        ("system_errors_rate", "table", "requests that failed inside the service, a second"),
        ("latency_p50_milliseconds", "table", "half of the requests were quicker"),
        ("latency_p95_milliseconds", "table", "95 % of the requests were quicker"),
        ("latency_p99_milliseconds", "table", "99 % of the requests were quicker"),
        (
            "stream_age_seconds",
            "migration",
            "how far a follower is behind its stream; where it is silent, behind what it reached last",
        ),
    ),
    **_made(
        "dynamodb",
        "hour",
        ("items_bytes", "table", "a table with its indexes, as the service counts it every six hours"),
        ("items_count", "table", "its items"),
    ),
    **_made(
        "airflow",
        "minute",
        ("scheduler_age_seconds", STORE, "since the scheduler's last sign of life"),
        ("dag_processor_age_seconds", STORE, "since the DAG processor's"),
        ("triggerer_age_seconds", STORE, "since the triggerer's"),
        ("metadata_up_count", STORE, "1 where Airflow's database answers"),
    ),
    **_made(
        "sluice",
        "minute",
        ("collector_age_seconds", STORE, "since the last numbers of a store were kept"),
        ("collection_seconds", STORE, "how long a look at a store took"),
    ),
}
"""Each by its name. The store of Airflow's is `airflow`."""
AIRFLOW = "airflow"
