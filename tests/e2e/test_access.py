"""Who may do what, asked of the machine as it runs."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from sluice.local import airflow_processes, machine
from sluice.local.airflow_api import FINISHED, Refused
from sluice.local.waiting import wait_for

from tests.e2e.driver import DAG, PATIENCE, Driver

NEVER_OVER = ("collect_samples", "refresh_overview")
"""One run of them follows the other."""


def test_a_new_machine_has_work_of_its_own_and_none_of_it_is_red(driver: Driver) -> None:
    wait_for("the first scheduled runs", lambda: _over(driver.scheduled()), seconds=PATIENCE)
    found = driver.scheduled()
    assert {found.pop(dag, "running") for dag in NEVER_OVER} <= {"queued", "running", "success"}
    assert set(found.values()) == {"success"}


def test_every_dag_file_was_read_also_those_that_have_no_dag_for_this_estate(driver: Driver) -> None:
    assert "migrate.py" in driver.api.dag_files() and "ship_log.py" not in driver.api.dag_files()
    assert airflow_processes.unparsed(driver.settings, driver.api) == set()


def test_a_viewer_may_look_but_not_start_a_migration(driver: Driver) -> None:
    viewer = machine.api(driver.settings, "viewer")
    assert "migrate.py" in viewer.dag_files()
    with pytest.raises(Refused) as refusal:
        viewer.trigger(DAG, {"to_phase": "verified"})
    assert refusal.value.status == 403
    assert driver.last_run() == ""


@pytest.mark.parametrize("path", ["/sluice/evidence/migrate__user_sessions/x/y.json", "/sluice/docs/x/index.html"])
def test_the_console_is_closed_to_whom_airflow_does_not_know(driver: Driver, path: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as refusal:
        direct.open(driver.settings.airflow_url + path, timeout=30)
    refusal.value.close()
    assert refusal.value.code == 401


def _over(runs: dict[str, str]) -> bool:
    ending = {state for dag, state in runs.items() if dag not in NEVER_OVER}
    return "validate_data" in runs and ending <= FINISHED
