"""The queries of panels, as Grafana takes them, and as they are run elsewhere: one text, with other ends and stores in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from psycopg import sql

from sluice.insight.dashboards.panels import Panel
from sluice.stores.statements import as_text, raw, statement

IN_GRAFANA: Mapping[str, sql.Composable] = {
    "start": raw("$__timeFrom()"),
    "end": raw("$__timeTo()"),
    "stores": raw("${store:sqlstring}"),
}
"""What Grafana fills in: the time that is shown, and the stores that were chosen, quoted."""


def asked_at(start: datetime, end: datetime, stores: Sequence[str]) -> dict[str, sql.Composable]:
    """Fill in a time and stores, as Grafana would."""
    return {
        "start": sql.Literal(start.isoformat()),
        "end": sql.Literal(end.isoformat()),
        "stores": sql.SQL(", ").join(map(sql.Literal, stores)),
    }


def query_of(panel: Panel, filled_in: Mapping[str, sql.Composable] = IN_GRAFANA) -> str:
    """Give the text of a panel's query."""
    if panel.query:
        return as_text(statement(f"dashboards.{panel.query}", **filled_in))
    metrics = sql.SQL(", ").join(map(sql.Literal, panel.metrics))
    # A line is called by its metric where a panel has several; else its title says it.
    many = sql.SQL("''" if len(panel.metrics) > 1 else "NULL")
    return as_text(statement("dashboards.show_metrics", metrics=metrics, many=many, **filled_in))


def stores_query() -> str:
    """Give the text of the query that lists the stores to choose from."""
    return as_text(statement("dashboards.list_stores"))
