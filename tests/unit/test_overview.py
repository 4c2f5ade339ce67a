"""The overview's pure parts: where a number leads, and an answer as JSON."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sluice.overview import links
from sluice.overview.as_json import as_json

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "plugins/sluice/console/static"


def test_every_path_takes_whatever_a_run_is_called() -> None:
    run = "manual__2026-03-01T00:00:00+00:00_a b/c"
    assert links.run_path("d", run) == "/dags/d/runs/manual__2026-03-01T00:00:00%2B00:00_a%20b%2Fc"
    assert links.task_path("d", "r", "keep.gate", 3) == "/dags/d/runs/r/tasks/keep.gate/mapped/3"
    assert (
        links.task_path("d", "r", "keep.gate", -1)
        == links.task_path("d", "r", "keep.gate")
        == "/dags/d/runs/r/tasks/keep.gate"
    )
    assert links.question_path("d", "r", "t", None) == "/dags/d/runs/r/tasks/t/required_actions"
    assert links.evidence_path("evidence/d/a b/t.json", "c0+f") == "/sluice/evidence/d/a%20b/t.json?sha256=c0%2Bf"


@pytest.mark.parametrize(
    ("key", "origin"),
    [("evidence/d/r/t.2.json", ("d", "r", "t.2")), ("evidence/d", ("d", "", "")), ("", ("", "", ""))],
)
def test_a_key_of_evidence_says_where_it_comes_from(key: str, origin: tuple[str, str, str]) -> None:
    assert links.origin_of(key) == origin


@dataclass(frozen=True)
class Told:
    at: datetime
    lasts: timedelta
    days: tuple[date, ...]
    by_name: dict[str, float | None]

    @property
    def count(self) -> int:
        return len(self.days)


def test_an_answer_is_plain_json_with_what_it_works_out() -> None:
    told = Told(datetime(2026, 3, 1, tzinfo=UTC), timedelta(minutes=2), (date(2026, 3, 1),), {"a": 1.5, "b": None})
    assert as_json([told]) == [
        {
            "at": "2026-03-01T00:00:00+00:00",
            "lasts": 120.0,
            "days": ["2026-03-01"],
            "by_name": {"a": 1.5, "b": None},
            "count": 1,
        }
    ]


def test_each_library_of_the_console_is_the_one_that_its_list_says_and_has_its_licence() -> None:
    listed = dict(
        re.findall(r"^\| (\S+\.js) \|.*\| ([0-9a-f]{64}) \|$", (STATIC / "vendor/README.md").read_text(), re.M)
    )
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (STATIC / "vendor").glob("*.js")}
    assert found == listed
    assert found
    for name in found:
        assert (STATIC / "vendor" / f"{name.partition('.')[0]}.LICENSE").stat().st_size > 300, name


def test_no_page_asks_another_host_for_anything() -> None:
    ours = [*STATIC.glob("**/*.js"), *STATIC.glob("*.css"), *(STATIC.parent / "templates").glob("*.html")]
    elsewhere = re.compile(r"""(?:src|href|url|import|fetch)\s*[=(]\s*["']?(https?:)?//""")
    asked = [path.name for path in ours if "vendor" not in path.parts and elsewhere.search(path.read_text())]
    assert len(ours) > 5
    assert asked == []
