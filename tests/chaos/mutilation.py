"""A drill that is played twice: whole, and with the one part taken out that it is about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from tests.few_items import visit


@dataclass
class Mutilation:
    """Which of the two runs it is, and how a part is taken out of the second."""

    monkeypatch: pytest.MonkeyPatch
    mutilated: bool

    def take_out(self, where: object, name: str, instead: object) -> None:
        """Replace a part, in the mutilated run."""
        assert hasattr(where, name), f"{where} no longer has {name}: mend this drill"
        if self.mutilated:
            self.monkeypatch.setattr(where, name, instead)

    def meanwhile(self, edge: str, act: Callable[[], object]) -> AbstractContextManager[None]:
        """Whoever passes an edge first waits there until `act` is done."""
        return visit(self.monkeypatch, edge, act)
