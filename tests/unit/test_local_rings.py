"""The runner of tests tells the truth, most of all about rings in which nothing ran."""

from __future__ import annotations

import pytest
from sluice.errors import Terminal
from sluice.local import cli, rings
from sluice.local.rings import BUDGETS, MINUTES, OF_POSTGRES, Outcome, read_outcome, report, seed_or_any

GREEN = Outcome("unit", passed=3, failed=0, skipped=1, minutes=0.25, code=0)

RESULT = '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="2"/></testsuites>'


def test_counts_come_from_what_pytest_wrote(tmp_path):
    result = tmp_path / "result.xml"
    result.write_text(RESULT)
    read = read_outcome("unit", result, 0.5, 1)
    assert (read.ran, read.passed, read.failed, read.skipped) == (7, 4, 3, 2)


@pytest.mark.parametrize(
    ("outcome", "green"),
    [
        (GREEN, True),
        (Outcome("unit", 3, 1, 0, 0.1, 1), False),
        (Outcome("unit", 0, 0, 0, 0.1, 5), False),
        (Outcome("unit", 0, 0, 7, 0.1, 0), False),
        (Outcome("unit", 3, 0, 0, 0.1, 3), False),
    ],
    ids=["green", "one failed", "none found", "all skipped", "pytest broke"],
)
def test_green_means_that_something_ran_and_nothing_failed(outcome, green):
    assert outcome.is_green is green


def test_a_ring_that_wrote_nothing_ran_nothing(tmp_path):
    read = read_outcome("e2e", tmp_path / "absent.xml", 0.0, 5)
    assert read.ran == 0
    assert "e2e ran no test: that counts as failed." in report([read])


def test_the_report_closes_with_the_sums():
    lines = report([GREEN, Outcome("dags", 4, 2, 0, 9.0, 1)]).splitlines()
    assert lines[-1] == "7 passed, 2 failed, 1 skipped"
    assert "dags took longer than its 1 minutes." in lines


def test_the_table_lines_up():
    head, rule, row, *_ = report([GREEN]).splitlines()
    assert head.split() == ["ring", "ran", "passed", "failed", "skipped", "minutes", "budget"]
    assert row.split() == ["unit", "3", "3", "0", "1", "0.2", str(BUDGETS["unit"])]
    assert len(rule) >= len(row)


def test_what_has_no_budget_may_take_what_it_likes():
    seeded = Outcome("chaos, seed 7:12", passed=1, failed=0, skipped=0, minutes=900.0, code=0)
    other = Outcome("chaos, PostgreSQL 15", passed=1, failed=0, skipped=0, minutes=900.0, code=0)
    said = report([seeded, other])
    assert "seed 7:12 took longer" not in said
    assert f"chaos, PostgreSQL 15 took longer than its {BUDGETS['chaos']} minutes." in said


@pytest.mark.parametrize("told", ["7", "7:12"])
def test_a_seed_is_taken_as_it_is(told):
    assert seed_or_any(told) == told


@pytest.mark.parametrize("told", ["seven", "7:", ":3", "7:12:3"])
def test_what_is_no_seed_is_refused(told):
    with pytest.raises(Terminal, match="number:schedule"):
        seed_or_any(told)


def test_without_a_seed_each_run_has_another():
    assert len({seed_or_any(None) for _ in range(20)}) > 1


@pytest.fixture
def asked(monkeypatch) -> list[tuple[object, ...]]:
    """What the command line asks of the runner, instead of minutes of tests within a test."""
    heard: list[tuple[object, ...]] = []
    for name in ("run_rings", "run_random", "run_all"):
        monkeypatch.setattr(rings, name, lambda *told, name=name: heard.append((name, *told)) or True)
    monkeypatch.setattr(cli.venvs, "ensure_project", lambda **_: None)
    return heard


@pytest.mark.parametrize(
    ("command", "heard"),
    [
        ("test", ("run_rings", tuple(BUDGETS))),
        ("test unit dags", ("run_rings", ["unit", "dags"])),
        ("test chaos", ("run_rings", ["chaos"])),
        ("test chaos --seed 7 --minutes 5", ("run_random", "7", 5.0)),
        ("test --seed 7:12", ("run_random", "7:12", 1.0)),
        ("test --all --seed 7", ("run_all", "7", MINUTES)),
    ],
)
def test_the_command_says_what_runs(asked, command, heard):
    assert cli.main(command.split()) == 0
    assert asked == [heard]


def test_schedules_are_of_the_ring_chaos(asked, capsys):
    assert cli.main(["test", "unit", "--minutes", "5"]) == 1
    assert "./sluice test chaos --seed 7 --minutes 5" in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize(("ring", "workers"), [("integration", 2), ("e2e", 2), ("machine", 0)])
def test_files_are_shared_by_workers_but_not_a_machine(monkeypatch, ring, workers):
    commands: list[list[str]] = []
    monkeypatch.setattr(rings, "_run", lambda name, module, environment: commands.append([*module]))
    rings.run_ring(ring)
    shared = [f"--numprocesses={workers}", "--dist=loadfile"] if workers else []
    assert commands == [["pytest", f"tests/{ring}", *shared]]


def test_everything_is_every_ring_each_other_postgresql_and_schedules(monkeypatch):
    ran: list[str] = []

    def note(name: str, module: object, environment: dict[str, str]) -> Outcome:
        ran.append(f"{name} {environment.get('SLUICE_PG_BIN', '')}".strip())
        return Outcome(name, 1, 0, 0, 0.1, 0)

    monkeypatch.setattr(rings, "_run", note)
    monkeypatch.setattr("sluice.local.versions.other_servers", lambda: {"15": "/fifteen"})
    assert rings.run_all("7", 1.0)
    assert ran == [
        *BUDGETS,
        *rings.BEYOND,
        *(f"{ring}, PostgreSQL 15 /fifteen" for ring in OF_POSTGRES),
        "walks of the archive",
        "promotions under load",
        "chaos, seed 7",
    ]


def test_every_ring_has_its_marker_and_its_folder(pytestconfig):
    known = {line.split(":")[0] for line in pytestconfig.getini("markers")}
    for ring in BUDGETS | rings.BEYOND:
        assert ring in known, f"pyproject.toml: markers has no {ring}, and no test of it would be collected"
        assert list((pytestconfig.rootpath / "tests" / ring).glob("test_*.py"))
