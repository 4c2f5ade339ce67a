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


def ledger(phases: dict[str, str]):
    @contextmanager
    def opening(name: str, run: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(phase=lambda: phases.get(name, "planned"))

    return opening


@pytest.mark.parametrize("error", [NoConnection("no connection"), Down("away"), Terminal("marks of a newer version")])
@pytest.mark.parametrize(
    ("last_seen", "found"),
    [("planned", ["user_sessions"]), ("retired", ["user_sessions"]), ("cut_over", ["audit_log", "user_sessions"])],
)
def test_one_that_cannot_be_asked_stands_where_the_ledger_saw_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception, last_seen: str, found: list[str]
) -> None:
    monkeypatch.setattr(asked, "opened_kind", opened({"audit_log": error, "user_sessions": Phase.CAPTURING}))
    monkeypatch.setattr(asked, "opened_control", ledger({"audit_log": last_seen}))
    assert asked.under_way() == found


def test_a_ledger_that_is_down_too_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_ledger(name: str, run: str) -> None:
        raise Down("no ledger")

    monkeypatch.setattr(asked, "opened_kind", opened({"audit_log": Down("away")}))
    monkeypatch.setattr(asked, "opened_control", no_ledger)
    with pytest.raises(Down, match="no ledger"):
        asked.under_way()


def test_only_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "opened_kind", opened(dict.fromkeys(("audit_log", "user_sessions"), Phase.VERIFIED)))
    assert asked.under_way(lambda m: m.name == "audit_log") == ["audit_log"]
