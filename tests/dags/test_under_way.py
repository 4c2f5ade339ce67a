"""What is under way is asked of each migration; one that cannot be asked stops no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from sluice.errors import Terminal, Transient
from sluice.flow import under_way as asked
from sluice.flow.connections import NoConnection
from sluice.migration.engine.contract import Phase


class Down(Transient):
    """A store that does not answer."""


def opened(phases: dict[str, Phase | Exception]):
    @contextmanager
    def opening(name: str) -> Iterator[tuple[None, SimpleNamespace]]:
        if isinstance(phase := phases.get(name, Phase.PLANNED), Exception):
            raise phase
        yield None, SimpleNamespace(position=lambda: SimpleNamespace(phase=phase))

    return opening


@pytest.mark.parametrize("error", [NoConnection("no connection"), Down("away")])
def test_one_that_cannot_be_asked_is_passed_over(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(asked, "opened_kind", opened({"audit_log": error, "user_sessions": Phase.CAPTURING}))
    assert asked.under_way() == ["user_sessions"]


def test_another_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "opened_kind", opened({"audit_log": Terminal("marks of a newer version")}))
    with pytest.raises(Terminal):
        asked.under_way()


def test_only_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "opened_kind", opened(dict.fromkeys(("audit_log", "user_sessions"), Phase.VERIFIED)))
    assert asked.under_way(lambda m: m.name == "audit_log") == ["audit_log"]
