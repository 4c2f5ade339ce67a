"""The stores of the generated year, in the estate's file while the demo needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.estate.read import ESTATE_FILE
from sluice.local.demo.insight.year import EVENTS, LEDGER, SHOP
from sluice.local.settings import ROOT

MARK = "  # Made up by ./sluice demo insight, which takes them away again:\n"
BILL = (
    "{what: server, quantity: 730, price: rds.db.m7g.xlarge}",
    "{what: disk, quantity: 780, price: rds.storage.gp3, grows_with: size}",
    '{what: support, monthly: "30 to 50"}',
)
ADDED = MARK + "".join(
    f"  {name}: {{engine: {engine}, connection: {connection}, rto: 1h, rpo: 5m{costs}}}\n"
    for name, engine, connection, costs in (
        (SHOP, "postgres", "pg_certify", f", costs: [{', '.join(BILL)}]"),
        (LEDGER, "postgres", "pg_certify", ""),
        (EVENTS, "dynamodb", "dynamodb_tyler", ""),
    )
)


@contextmanager
def stores_added(stays: bool, root: Path = ROOT) -> Iterator[None]:
    """Add them below the last store, and take them away unless they `stay`. A file that has them is left as it is."""
    file = root / ESTATE_FILE
    before = file.read_text()
    if MARK in before:
        yield
        return
    during = f"{before.rstrip()}\n\n{ADDED}"
    file.write_text(during)
    try:
        yield
    finally:
        if not stays and file.read_text() == during:
            file.write_text(before)
