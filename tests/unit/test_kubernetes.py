"""deploy/kubernetes/values.yaml as a policy: what runs is what is locked, set as elsewhere, and no secret is in it.

Of Airflow's own chart nothing is kept here but which keys it was seen to take. To hold the file against a chart, unpack one
and name its folder: `SLUICE_CHART=…/airflow python -m pytest tests/unit/test_kubernetes.py`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from sluice.estate import read_stores
from sluice.local.environment import variables
from sluice.local.settings import load

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deploy/kubernetes/values.yaml").read_text()
VALUES: dict[str, Any] = yaml.safe_load(TEXT)
OURS = {"config", "resources", "podDisruptionBudget.config"}
"""Below these the chart takes what it is given: Airflow's settings, Kubernetes' own fields."""
TAKEN = """
airflowVersion apiSecretKeySecretName config createUserJob.enabled data.brokerUrlSecretName data.metadataSecretName
data.resultBackendSecretName env executor fernetKeySecretName images.airflow.pullPolicy images.airflow.repository
images.airflow.tag jwtSecretName postgresql.enabled redis.passwordSecretName redis.persistence.enabled redis.persistence.size
secret triggerer.persistence.enabled workers.celery.persistence.enabled workers.celery.replicas workers.keda.enabled
workers.keda.maxReplicaCount workers.keda.minReplicaCount workers.podDisruptionBudget.config workers.podDisruptionBudget.enabled
workers.resources workers.terminationGracePeriodSeconds
"""
"""What chart 1.20 was seen to take, and to render with."""
ONLY_HERE = {"remote_logging", "remote_base_log_folder", "remote_log_conn_id"}


def keys(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Give each key with those above it, down to what is ours alone."""
    for name, value in values.items():
        path = f"{above}{name}"
        ends = not isinstance(value, dict) or any(path == own or path.endswith(f".{own}") for own in OURS)
        yield from [path] if ends else keys(value, f"{path}.")


def unknown(values: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """List the keys that a chart's schema does not name: at many places it would take them, and do nothing."""
    return [path for path in keys(values) if not _named(path.split("."), schema)]


def _named(path: list[str], schema: dict[str, Any]) -> bool:
    for name in path:
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


def test_every_key_is_one_that_the_chart_was_seen_to_take() -> None:
    assert sorted(keys(VALUES)) == sorted(TAKEN.split()), "hold it against a chart first: see above"


def test_a_key_that_a_chart_does_not_know_is_found() -> None:
    schema = {"properties": {"workers": {"properties": {"replicas": {}, "resources": {}}}}}
    values = {"workers": {"replica": 2, "replicas": 2, "resources": {"limits": {}}}, "executr": "x"}
    assert unknown(values, schema) == ["workers.replica", "executr"]


def test_a_chart_takes_the_file() -> None:
    if not (chart := os.environ.get("SLUICE_CHART")):
        pytest.skip("no chart here: SLUICE_CHART names the folder of one")
    schema = json.loads((Path(chart) / "values.schema.json").read_text())
    jsonschema.validate(VALUES, schema)
    assert unknown(VALUES, schema) == []


def test_what_runs_is_what_is_locked_with_the_project_in_its_image() -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert locked and VALUES["airflowVersion"] == VALUES["images"]["airflow"]["tag"] == locked[1]
    stages = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "docker/airflow.Dockerfile").read_text(), re.MULTILINE)
    assert "--target project" in TEXT and stages[-1] == "project"


def test_every_connection_of_the_estate_comes_from_a_secret() -> None:
    told = {one["envName"] for one in VALUES["secret"]}
    estate = read_stores(ROOT)
    named = {*estate.connections, estate.vault.connection, estate.ledger.connection}
    assert told == {f"AIRFLOW_CONN_{name.upper()}" for name in named}
    assert all(set(one) == {"envName", "secretName", "secretKey"} for one in VALUES["secret"])


def test_no_secret_and_no_address_stands_in_it() -> None:
    plain = "\n".join(line.split(" #")[0] for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    assert re.findall(r"(?i)\w*(?:password|token|fernetKey|secret\w*key)\w*(?=:)", plain) == [
        *["secretKey"] * len(VALUES["secret"]),
        "fernetKeySecretName",
        "apiSecretKeySecretName",
        "passwordSecretName",
    ]
    assert re.findall(r"\w+://\S+", plain) == ["s3://sluice-vault/airflow/logs"]


def test_airflow_is_set_as_on_one_machine_with_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SLUICE_WORKERS", "2")
    here = variables(load())
    told = {
        f"AIRFLOW__{section}__{name}".upper(): str(value)
        for section, settings in VALUES["config"].items()
        for name, value in settings.items()
        if name not in ONLY_HERE
    }
    assert {name: value for name, value in told.items() if here.get(name) != value} == {}
    assert VALUES["executor"] == here["AIRFLOW__CORE__EXECUTOR"]


def test_when_a_worker_is_gone_the_others_have_room_for_every_task() -> None:
    workers, config = VALUES["workers"], VALUES["config"]
    for least in (workers["celery"]["replicas"], workers["keda"]["minReplicaCount"]):
        assert (least - 1) * config["celery"]["worker_concurrency"] >= config["core"]["parallelism"]


def test_nobody_is_made_with_a_password_that_everybody_knows() -> None:
    assert VALUES["createUserJob"] == {"enabled": False}
