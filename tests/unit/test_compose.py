"""docker-compose.yaml as a policy: pinned, healthy in order, closed to the network, without one secret in it.

What a file can say is checked everywhere; where a compose client is installed, it reads the file too.
No engine is needed.
"""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sluice.local.environment import variables
from sluice.local.settings import load

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yaml"
TEXT = COMPOSE.read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
AIRFLOW = sorted(name for name in SERVICES if name.startswith("airflow-"))
ONE_SHOT = {"airflow-init"}
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
PINNED = re.compile(r"[a-z][\w./-]*:v?\d+\.\d+[\w.-]*")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:\?|:-)?([^}]*)\}")
REQUIRED = {name for name, operator, _ in VARIABLE.findall(TEXT) if operator != ":-"}
EXAMPLE = (ROOT / ".env.example").read_text()


def test_the_estate_is_whole() -> None:
    processes = ("init", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
    assert sorted(f"airflow-{process}" for process in processes) == AIRFLOW
    assert set(SERVICES) - set(AIRFLOW) == {"postgres", "pgbouncer", "ministack", "redis", "dynamodb-local"}
    asked = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert asked == {"airflow-worker": ["celery"], "redis": ["celery"], "dynamodb-local": ["dynamodb-local"]}
    assert "name" not in yaml.safe_load(TEXT), "compose 1.29 refuses a name"


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_pinned(service: str) -> None:
    assert PINNED.fullmatch(SERVICES[service]["image"])


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_every_dockerfile_is_pinned(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages
    assert bases and all(PINNED.fullmatch(base) for base in bases)
    for packages in re.findall(r"pip install (.*)", text):
        assert "--requirement" in packages or re.search(r" \w+==\d", packages)


def test_what_is_built_carries_the_version_of_what_is_in_it() -> None:
    airflow = re.search(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    lock = (ROOT / "plugins/sluice/local/ministack.txt").read_text()
    ministack = re.search(r"^ministack==(\S+)", lock, re.MULTILINE)
    assert airflow and ministack
    assert f"apache/airflow:{airflow[1]}-" in (ROOT / "docker/airflow.Dockerfile").read_text()
    assert {SERVICES[name]["image"] for name in AIRFLOW} == {f"sluice-airflow:{airflow[1]}"}
    assert SERVICES["ministack"]["image"] == f"sluice-ministack:{ministack[1]}"


ADDRESSES = {"AIRFLOW__API__HOST", "AIRFLOW__API__PORT", "AIRFLOW__CELERY__RESULT_BACKEND"}
# What only this machine has: paths, ports, addresses and secrets.
ELSEWHERE = re.compile(
    r"AIRFLOW_(HOME|CONN_)|(PYTHON)?PATH|NO_PROXY|no_proxy|SLUICE_|\w+(_FOLDER|_FILE|_KEY|_SECRET|_CONN|_URL)$"
)


@pytest.mark.parametrize(("workers", "executor"), [("0", None), ("2", "CeleryExecutor")])
def test_airflow_is_set_as_on_a_machine_without_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str, executor: str | None
) -> None:
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SLUICE_WORKERS", workers)
    here = variables(load())
    told = {"EXECUTOR": executor} if executor else {}
    there = {name: resolved(value, told) for name, value in SERVICES["airflow-worker"]["environment"].items()}
    assert {name for name in here if name.startswith("AIRFLOW_CONN_")} <= set(there)
    for name in here:
        if not ELSEWHERE.match(name) and name not in ADDRESSES:
            assert there.get(name) == here[name], name


@pytest.mark.parametrize("service", sorted(set(SERVICES) - ONE_SHOT))
def test_every_service_says_whether_it_is_well(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"} and {"interval", "timeout", "retries"} <= set(check)
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_nobody_waits_for_a_mere_start() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how["condition"] == expected, f"{name} needs {needed}"
    for name in set(AIRFLOW) - ONE_SHOT:
        assert "airflow-init" in SERVICES[name]["depends_on"]


@pytest.mark.parametrize("service", AIRFLOW)
def test_the_project_is_mounted_and_cannot_be_written(service: str) -> None:
    for folder in ("dags", "plugins", "include", "expectations"):
        assert f"./{folder}:/opt/airflow/{folder}:ro" in SERVICES[service]["volumes"]


def test_only_named_volumes_can_be_written() -> None:
    named = set(yaml.safe_load(TEXT)["volumes"])
    for mount in (mount for service in SERVICES.values() for mount in service.get("volumes", ())):
        source = mount.split(":")[0]
        assert source in named or (mount.endswith(":ro") and (ROOT / source).exists()), mount


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def resolved(value: str, told: dict[str, str]) -> str:
    """Give a value as compose would, where `told` is what .env says; what is required stays as it is written."""
    return VARIABLE.sub(lambda found: told.get(found[1], found[3]) if found[2] == ":-" else found[0], value)


def secrets_in(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give every value that opens something: by its name, in a connection's JSON, in a URL."""
    for name, value in service.get("environment", {}).items():
        if re.search(r"(PASSWORD|SECRET|_KEY|TOKEN)", name) and not name.endswith("_FILE"):
            yield name, value
        if name.startswith("AIRFLOW_CONN_"):
            connection = json.loads(VARIABLE.sub(lambda found: f"${found[1]}{found[2]}", value))
            yield name, connection["password"]
        if found := re.search(r"://\w+:(.*)@", str(value)):
            yield name, found[1]


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_is_written_down_or_has_a_default(service: str) -> None:
    for name, value in secrets_in(SERVICES[service]):
        assert re.match(r"\$(\{\w+:\?set \w+ in \.env\}|\w+:\?)$", value), name


def test_the_search_for_secrets_finds_some() -> None:
    found = [name for service in SERVICES.values() for name, _ in secrets_in(service)]
    addresses = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY__RESULT_BACKEND",
    }
    assert {"POSTGRES_PASSWORD", "AIRFLOW_CONN_S3_VAULT", *addresses} <= set(found)


def test_the_example_offers_what_is_required_and_nothing_else() -> None:
    assert sorted(re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE)) == sorted(REQUIRED)
    assert not re.search(r"^\w+=.", EXAMPLE, re.MULTILINE), "an example is not a default"


def test_the_pool_fits_its_database_and_the_database_its_server() -> None:
    ini = configparser.ConfigParser()
    ini.read(ROOT / "docker/pgbouncer.ini")
    pool = {name: int(value) for name, value in ini["pgbouncer"].items() if value.isdigit()}
    server = re.search(r"max_connections=(\d+)", SERVICES["postgres"]["command"])
    assert ini["pgbouncer"]["pool_mode"] == "transaction"
    assert pool["min_pool_size"] <= pool["default_pool_size"]
    assert pool["default_pool_size"] + pool["reserve_pool_size"] <= pool["max_db_connections"]
    assert pool["max_db_connections"] <= pool["max_user_connections"] <= pool["max_client_conn"]
    # Airflow: four processes of 15 connections at most, and of each worker one for each task. The rest is the ledger's, the
    # mover's and a person's.
    assert server and pool["max_db_connections"] + 4 * 15 + 2 * 8 < int(server[1])


def make_env(target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "docker/make_env.py"), str(target)]
    return subprocess.run(command, capture_output=True, text=True)


def test_fresh_secrets_fill_every_line_and_never_replace_an_env(tmp_path: Path) -> None:
    env = tmp_path / "env"
    assert make_env(env).returncode == 0
    values = dict(re.findall(r"^(\w+)=(.+)$", env.read_text(), re.MULTILINE))
    assert set(values) == REQUIRED and len(set(values.values())) == len(values)
    assert env.stat().st_mode & 0o777 == 0o600
    assert len(base64.urlsafe_b64decode(values.pop("FERNET_KEY"))) == 32
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in values.values())
    before = env.read_bytes()
    assert "is there" in make_env(env).stderr and env.read_bytes() == before


def compose_client() -> list[str] | None:
    """Give the command of a compose client that answers, the newer one first."""
    for client in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(client[0]) and not subprocess.run([*client, "version"], capture_output=True).returncode:
            return client
    return None


def config(client: list[str], env: Path) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if name not in REQUIRED}
    command = [*client, "--file", str(COMPOSE), "--env-file", str(env), "config", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, env=bare)


def test_a_compose_client_accepts_the_file_and_asks_for_what_is_missing(tmp_path: Path) -> None:
    if (client := compose_client()) is None:
        pytest.skip("no compose client here: neither `docker compose` nor `docker-compose` answers")
    env = tmp_path / "env"
    make_env(env)
    assert config(client, env).returncode == 0, config(client, env).stderr
    env.write_text(re.sub(r"(?m)^MOVER_PASSWORD=.*$", "MOVER_PASSWORD=", env.read_text()))
    refused = config(client, env)
    assert refused.returncode != 0 and "set MOVER_PASSWORD in .env" in refused.stderr


def test_an_image_is_given_no_more_than_it_copies() -> None:
    copied = [source for file in DOCKERFILES for source in re.findall(r"^COPY (\S+)", file.read_text(), re.MULTILINE)]
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert sorted(rules) == sorted(["*", "**/__pycache__", *(f"!{source}" for source in copied)])
    assert rules[-1] == "**/__pycache__", "the last rule that matches counts"
    assert all((ROOT / source).exists() for source in copied)
    mounted = {mount.split(":")[0].removeprefix("./") for mount in SERVICES["airflow-worker"]["volumes"]}
    assert {source for source in copied if (ROOT / source).is_dir()} == mounted & {
        "dags",
        "plugins",
        "include",
        "expectations",
    }
