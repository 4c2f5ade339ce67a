"""What was measured last, on the command line, as Prometheus reads it: for a file that node_exporter collects."""

from __future__ import annotations

from sluice.local.airflow_processes import use_connections


def metrics_text() -> str:
    """Give it. Raises NoConnection, StoreDown, EstateErrors."""
    use_connections()
    from sluice.flow.insight import publishing

    return publishing.metrics_text()
