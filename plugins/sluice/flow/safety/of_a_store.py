"""What the operators and the gates of one store have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator

from sluice.flow.gate import FactsGate


class OfAStore(BaseOperator):
    """What works at one store."""

    template_fields: Sequence[str] = ("store",)

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store


class GateOfAStore(FactsGate):
    """A gate over one store. Whose facts they are, and what it speaks of, a kind of gate says."""

    template_fields: Sequence[str] = ("store", "gate", "suites")

    def __init__(self, *, store: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.store = store
