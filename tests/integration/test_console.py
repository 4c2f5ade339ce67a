"""The console, mounted as Airflow mounts it, with Airflow's own logins, over a real vault."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from sluice.flow.evidence_link import EvidenceLink
from sluice.overview.links import evidence_path
from sluice.proof.gates.evidence import keep
from sluice.proof.gates.run import Judged
from sluice.proof.gates.verdict import decide, fact_check
from sluice.safety.replicas.certificate import FailoverCertificate
from sluice.stores.objects import Vault, vault_client

from tests.stood import a_drill, broken

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def airflow():
    """Airflow's login: a migrated database of its own, and its default auth manager."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", secrets.token_urlsafe(64))
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        import sluice.console.app  # noqa: F401
        from airflow.api_fastapi.app import create_auth_manager

        yield create_auth_manager()


@pytest.fixture
def bucket(vault) -> Vault:
    return Vault(vault.client(), vault.bucket)


@pytest.fixture
def visit(airflow, bucket):
    """Ask the console for an address, logged in with a role (None: not at all)."""
    import httpx
    import sluice_plugin
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from sluice.console.app import app
    from sluice.console.kept import open_vault

    app.dependency_overrides[open_vault] = lambda: bucket
    outer = FastAPI()
    [mount] = sluice_plugin.SluicePlugin.fastapi_apps
    outer.mount(mount["url_prefix"], mount["app"])

    async def ask(method: str, address: str, role: str | None, by: str, wants: str) -> httpx.Response:
        token = None if role is None else airflow.generate_jwt(SimpleAuthManagerUser(username="ann", role=role or None))
        cookies = {"_token": token} if token and by == "cookie" else None
        headers = {"Accept": wants} | ({"Authorization": f"Bearer {token}"} if token and by == "header" else {})
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(outer, raise_app_exceptions=False),
            base_url="http://x",
            cookies=cookies,
            headers=headers,
        ) as client:
            return await client.request(method, address)

    def visit(address: str, role: str | None = "viewer", method: str = "GET", by: str = "cookie", wants: str = "*/*"):
        return asyncio.run(ask(method, address, role, by, wants))

    yield visit
    app.dependency_overrides.clear()


@pytest.fixture
def evidence(bucket):
    row = {"id": 7, "note": HOSTILE}
    checks = [
        fact_check("note is tidy", False, HOSTILE, "no blank", rows=[row]),
        fact_check("ids", True, 0, "0"),
    ]
    verdict = decide("verified", f"app.{HOSTILE}", checks, compared=9, facts_at=NOW, now=NOW, freshness=timedelta(1))
    judged = Judged(verdict, {"index.html": f"<p>docs{HOSTILE}".encode()}, {"verified": "c0ffee"})
    return keep(
        bucket, judged, {"rows_compared": 9}, dag_id="migrate__t",
        run_id=f"manual__2026-03-01T00:00:00+00:00_{uuid4()}",
        task_id="gate_verified", try_number=1, extra={"kept_at": NOW},
    )  # fmt: skip


def test_without_a_login_there_is_nothing(visit, evidence) -> None:
    for key in (evidence.key, evidence.docs_key):
        answer = visit(evidence_path(key), role=None)
        assert answer.status_code == 401
        assert "verified" not in answer.text
    assert visit("/sluice/openapi.json").status_code == 403, "no page, and who reads no DAG is not even told so"


def test_a_link_in_a_message_leads_to_the_login_and_from_there_to_its_page(visit, evidence) -> None:
    address = evidence_path(evidence.key)
    answer = visit(f"{address}?sha256=ab", role=None, wants="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (answer.status_code, answer.text) == (303, "")
    login = urlsplit(answer.headers["location"])
    assert (login.path, parse_qs(login.query)) == ("/api/v2/auth/login", {"next": [f"{address}?sha256=ab"]})
    assert visit(address, role="", wants="text/html").status_code == 403, (
        "who is known and may not is not sent in a circle"
    )


def test_the_last_numbers_are_for_those_who_may_read_them(visit, monkeypatch) -> None:
    import sluice.console.kept as console

    monkeypatch.setattr(console, "metrics_text", lambda: "# TYPE sluice_up_count gauge\n")
    address = "/sluice/metrics/publish_metrics"
    assert [visit(address, role=role).status_code for role in (None, "")] == [401, 403]
    answer = visit(address, by="header")  # as Prometheus asks
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.text.startswith("# TYPE")
    assert visit("/sluice/metrics/another").status_code == 404


def test_a_role_without_rights_is_refused(visit, evidence) -> None:
    assert visit(evidence_path(evidence.key), role="").status_code == 403


def test_a_red_verdict_is_shown_with_everything_escaped(visit, evidence) -> None:
    answer = visit(evidence_path(evidence.key, evidence.sha256))
    assert answer.status_code == 200
    assert "is red" in answer.text
    assert "✔ intact" in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script" not in answer.text
    assert evidence_path(evidence.docs_key) in answer.text.replace("&#43;", "+")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


def test_a_record_that_was_changed_is_shown_as_such(visit, evidence, bucket) -> None:
    body = bucket.get(evidence.key).replace(b'"passed":false', b'"passed":true')
    bucket.client.put_object(Bucket=bucket.bucket, Key=evidence.key, Body=body)
    page = visit(evidence_path(evidence.key)).text
    assert "not what was sealed" in page
    assert 'class="banner green"' not in page


def test_a_seal_that_differs_from_airflows_is_broken(visit, evidence) -> None:
    assert "not what was sealed" in visit(evidence_path(evidence.key, "0" * 64)).text


def test_data_docs_come_in_a_sandbox(visit, evidence) -> None:
    answer = visit(evidence_path(evidence.docs_key))
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert answer.text.startswith("<p>docs")


@pytest.mark.parametrize(
    "path", ["x/%2e%2e/backups/base", "x/..%2f..%2fbackups/base", "%2e%2e/backups/base", "x//y", "x/"]
)
def test_a_step_out_of_the_dag_is_refused_before_the_vault_is_asked(visit, path) -> None:
    for prefix in ("evidence", "docs"):
        answer = visit(f"/sluice/{prefix}/{path}")
        assert answer.status_code == 404
        assert "is no key of evidence" in answer.text


def test_a_certificate_opens_for_who_may_read_the_dag_that_drills_that_store(visit, bucket) -> None:
    made = a_drill(
        "shop", NOW, compared=broken(HOSTILE), name=f"sluice-scratch-shop-20260301t120000z-{uuid4().hex[:6]}"
    )
    made.keep(bucket)
    failed_over = FailoverCertificate("shop", uuid4().hex, NOW.isoformat(), (), 30.0, ())
    failed_over.keep(bucket)
    for one in (made, failed_over):
        assert visit(evidence_path(one.key), role=None).status_code == 401
        assert visit(evidence_path(one.key), role="").status_code == 403
        assert visit(evidence_path(one.key)).status_code == 403, "it knows no DAG that drills this store"
    readable(visit, "restore_drill__shop")
    answer = visit(evidence_path(made.key))
    assert answer.status_code == 200
    assert "The drill of shop failed" in answer.text
    assert HOSTILE not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert visit(evidence_path(failed_over.key)).status_code == 403, "another DAG"
    assert visit(evidence_path(made.key).replace("shop/", "billing/")).status_code == 403, "another store"
    assert visit("/sluice/drills/shop/none.json").status_code == 404
    for path in ("shop/%2e%2e.json", "shop/..%2f..%2fbackups.json", "shop/x", "shop/"):
        assert visit(f"/sluice/drills/{path}").status_code == 404
    readable(visit, "failover_drill")
    assert "The failover drill of shop failed" in visit(evidence_path(failed_over.key)).text


def readable(visit, *dags: str) -> None:
    """Have who is logged in read these DAGs alone: their files are no business of this test."""
    from sluice.console.app import app
    from sluice.console.who import readable_dags

    app.dependency_overrides[readable_dags] = lambda: frozenset(dags)


def test_nothing_else_of_the_vault_is_served(visit, bucket) -> None:
    bucket.put_once("backups/x/base", b"the whole database", "text/plain")
    assert visit("/sluice/backups/x/base").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_only_reads(visit, evidence, method) -> None:
    assert visit(evidence_path(evidence.key), method=method, role="admin").status_code == 405


def test_what_is_not_there_and_a_vault_that_is_down(visit) -> None:
    assert visit("/sluice/evidence/x/y.json").status_code == 404
    from sluice.console.app import app
    from sluice.console.kept import open_vault

    app.dependency_overrides[open_vault] = lambda: Vault(vault_client("http://127.0.0.1:1", "k", "s", "r"), "b")
    answer = visit("/sluice/evidence/x/y.json", wants="text/html")
    assert answer.status_code == 503
    assert "tried again" in answer.text
    told = visit("/sluice/evidence/x/y.json", wants="application/json")
    assert (told.status_code, told.json()["error"], "tried again" in told.json()["detail"]) == (503, "VaultDown", True)


def test_the_vault_is_the_one_of_airflows_connection_and_never_the_machines_own(visit, vault, monkeypatch) -> None:
    from sluice.console.app import app

    app.dependency_overrides.clear()
    without = visit("/sluice/evidence/x/y.json")
    assert (without.status_code, "no connection" in without.text) == (502, True)
    extra = {"region_name": "us-east-1", "service_config": {"s3": {"endpoint_url": vault.endpoint}}}
    login = {"conn_type": "aws", "login": vault.store.key, "password": vault.store.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_VAULT", json.dumps(login))
    assert visit("/sluice/evidence/x/y.json").status_code == 404


def test_the_button_leads_to_the_page_and_brings_the_seal(monkeypatch, evidence) -> None:
    from airflow.sdk.execution_time.xcom import XCom

    left = {"evidence": evidence.key, "evidence_sha256": evidence.sha256}
    monkeypatch.setattr(XCom, "get_value", staticmethod(lambda *, ti_key, key: left.get(key)))
    where = EvidenceLink().get_link(SimpleNamespace(), ti_key=SimpleNamespace())
    assert where == evidence_path(evidence.key, evidence.sha256)
    assert where.startswith("/sluice/evidence/migrate__t/manual__2026-03-01T00%3A00%3A00%2B00%3A00")
    left.clear()
    assert EvidenceLink().get_link(SimpleNamespace(), ti_key=SimpleNamespace()) == ""


def test_the_loader_finds_one_plugin_and_leaves_the_library_alone(airflow) -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from airflow import plugins_manager as m; m.ensure_plugins_loaded()\n"
        "plugins, errors = m._get_plugins()\n"
        "print([p.name for p in plugins if p.name == 'sluice'], errors, 'sluice.console.app' in sys.modules,"
        " [n for n in sys.modules if n in ('verdict', 'evidence', 'suites', 'objects')])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "plugins")}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True).stdout
    assert told.splitlines()[-1] == "['sluice'] {} False []"


def test_a_page_that_there_is_none_and_one_that_is_not_ones_own_say_so_in_words(visit) -> None:
    answer = visit("/sluice/nonsense", role="", wants="text/html")
    assert answer.status_code == 403
    assert "not for you to see" in answer.text
    assert "You may read no DAG here" in answer.text


def test_who_may_read_dags_and_none_of_their_runs_sees_no_page(visit, airflow, monkeypatch) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    monkeypatch.setattr(SimpleAuthManager, "get_authorized_dag_ids", lambda self, **asked: {"migrate__t"})
    assert visit("/sluice/estate").status_code != 403
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", lambda self, **asked: "access_entity" not in asked)
    assert visit("/sluice/estate").status_code == visit("/sluice/of/migrate__t").status_code == 403


@pytest.mark.parametrize(
    "of", ["of/migrate__t", "of/migrate__t/r", "of/migrate__t/r/verify.gate_verified?map_index=-1"]
)
def test_a_tab_is_for_who_may_read_its_dag(visit, of) -> None:
    assert visit(f"/sluice/{of}", role=None).status_code == 401
    assert visit(f"/sluice/{of}", role="").status_code == 403


def test_no_page_runs_anything_of_others_or_is_framed_by_them(visit, evidence) -> None:
    told = visit(evidence_path(evidence.key)).headers
    assert (told["x-content-type-options"], told["referrer-policy"]) == ("nosniff", "no-referrer")
    policy = told["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'self'" in policy
    assert "script-src" not in policy, "a record runs nothing at all"


def test_a_file_is_kept_for_good_only_by_the_word_of_its_content(visit) -> None:
    from sluice.console.assets import file_path

    kept = [
        visit(path, role=None).headers["cache-control"]
        for path in (file_path("console.js"), "/sluice/static/x/console.js")
    ]
    assert kept == ["public, max-age=31536000, immutable", "no-cache"]
    assert visit("/sluice/static/x/../who.py", role=None).status_code != 200


def test_what_an_address_says_of_a_task_that_is_no_number_is_one_that_is_alone(airflow) -> None:
    from sluice.console.tabs import index_of

    assert [index_of(told) for told in ("3", "-1", "--5", "9" * 5000, "²", "", "{MAP_INDEX}")] == [
        3,
        -1,
        -1,
        -1,
        -1,
        -1,
        -1,
    ]
