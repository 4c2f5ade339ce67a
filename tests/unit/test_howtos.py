"""Each how-to is played by a test, and what stands in its blocks is what the code, AWS and the list of metrics know."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from sluice.insight.health.rules import shipped_rules
from sluice.insight.metrics import METRICS

from tests.played import PLAYED
from tests.unit.test_docs import PAGES, ROOT, blocks, inline

HOWTOS = sorted((ROOT / "docs/howto").glob("*.md"))
SERVICES = {"monitoring": "cloudwatch", "secretsmanager": "secretsmanager"}
NO_OPERATION = {"iam:PassRole"}
"""Rights that no operation is called after."""
UNITS = "|".join(sorted({name.rpartition("_")[2] for name in METRICS}))


@cache
def code() -> str:
    """All that the project itself says, where a number has its name: facts of gates, fields, columns."""
    files = [path for part in ("plugins", "include", "expectations") for path in (ROOT / part).rglob("*.*")]
    return "\n".join(path.read_text() for path in files if path.suffix in (".py", ".sql", ".yaml", ".json"))


def unplayed(names: set[str]) -> list[str]:
    """List how-tos that no test plays, and entries of no page or of no test."""
    lost = [f"{name}: name in tests/played.py the tests that play it" for name in sorted(names - set(PLAYED))]
    lost += [f"{name}: there is no such page" for name in sorted(set(PLAYED) - names)]
    for name, files in PLAYED.items():
        gone = (file for file in files if not (ROOT / "tests" / file).is_file() or "def test_" not in said(file))
        lost += [f"{name}: {file} has no test" for file in gone]
    return lost


def said(file: str) -> str:
    """The text of a test's file."""
    return (ROOT / "tests" / file).read_text()


def test_each_how_to_is_played_by_a_test() -> None:
    assert unplayed({page.stem for page in HOWTOS}) == []


def test_a_how_to_that_no_test_plays_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLAYED, "cut-back", ("unit/test_nothing.py",))  # type: ignore[misc]
    found = unplayed({*(page.stem for page in HOWTOS), "fly-to-the-moon"} - {"upgrade"})
    assert [line.partition(":")[0] for line in found] == ["fly-to-the-moon", "upgrade", "cut-back"]


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Give each call of a plain name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node, node.func.id


def wrong_python(text: str) -> list[str]:
    """List what Python of a page imports and is not there, and calls that what it imports does not take."""
    tree, known, wrong = ast.parse(text), dict[str, Any](), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("sluice", "airflow"):
            module = importlib.import_module(node.module or "")
            known |= {alias.name: getattr(module, alias.name, None) for alias in node.names}
    wrong += [f"no {name} to import" for name, found in known.items() if found is None]
    for call, name in calls(tree):
        if known.get(name) is not None and not any(isinstance(one, ast.Starred) for one in call.args):
            try:
                inspect.signature(known[name]).bind(
                    *call.args, **{one.arg: one.value for one in call.keywords if one.arg}
                )
            except TypeError as error:
                wrong.append(f"{name}: {error}")
    return wrong


def with_block(language: str) -> list[Path]:
    return [page for page in PAGES if next(blocks(page.read_text(), language), None) is not None]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", with_block("python"), ids=named)
def test_a_page_s_python_names_what_there_is(page: Path) -> None:
    assert wrong_python("\n".join(blocks(page.read_text(), "python"))) == []


def unknown_rights(actions: list[str]) -> list[str]:
    """List rights in AWS that no operation of the service is called after."""
    session = Session()

    def known(action: str) -> bool:
        service, _, name = action.partition(":")
        return action in NO_OPERATION or name in (
            "*",
            *session.get_service_model(SERVICES.get(service, service)).operation_names,
        )

    return [action for action in actions if not known(action)]


@pytest.mark.parametrize("page", with_block("json"), ids=named)
def test_a_page_s_json_is_a_policy_that_aws_knows_or_a_suite(page: Path) -> None:
    for block in blocks(page.read_text(), "json"):
        told = json.loads(block)
        if "expectations" in told:
            assert all({"type", "kwargs", "severity", "description"} <= set(one) for one in told["expectations"])
            assert set(told["meta"]) <= {"about", "sluice"}
        else:
            statements = told.get("Statement", [told])
            assert statements
            assert unknown_rights([action for one in statements for action in one["Action"]]) == []


def unknown_numbers(text: str) -> list[str]:
    """List what is written as a metric is, and is none: nor one in Prometheus, nor a rule, nor any name of the code."""
    told = {code for code in inline(text) if re.fullmatch(rf"[a-z]+(?:_[a-z0-9]+)*_(?:{UNITS})", code)}
    known = {*METRICS, *(f"sluice_{name}" for name in METRICS), *shipped_rules(ROOT)}
    return sorted(name for name in told - known if not re.search(rf"\b{name}\b", code()))


@pytest.mark.parametrize("page", [page for page in PAGES if "decisions" not in page.parts], ids=named)
def test_the_metrics_of_a_page_are_measured(page: Path) -> None:
    assert unknown_numbers(page.read_text()) == []


def test_a_lie_is_found() -> None:
    assert (
        wrong_python("from sluice.safety.pgbackrest.driver import PgBackRest\nPgBackRest('shop', stanzas='shop')") != []
    )
    assert wrong_python("from sluice.access.replicas import Nodes") == ["no Nodes to import"]
    assert unknown_rights(["rds:DescribeDBInstances", "rds:DescribeEverything"]) == ["rds:DescribeEverything"]
    assert unknown_numbers("`up_count`, `sluice_up_count`, `down_count`") == ["down_count"]
