"""The page about an archived month is true: its Python runs, without a line of ours, and finds what PostgreSQL had."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sluice.estate.dataset import Dataset
from sluice.upkeep.archive.columns import PLAIN, TEXT, form_of

from tests.archived import staged
from tests.conftest import Database

DOCS = Path(__file__).parents[2] / "docs"
PAGE, REFERENCE = DOCS / "howto/open-an-archived-month.md", DOCS / "reference/archive-manifest.md"
SCHEMA = json.loads(REFERENCE.with_suffix(".schema.json").read_text())
MONTH = "CREATE TABLE app_partitions.orders_1 PARTITION OF app.orders FOR VALUES FROM ('2024-01-01+00') TO ('2024-02-01+00')"
ROWS = """INSERT INTO app.orders SELECT
    9007199254740990 + i, '2024-01-01+00'::timestamptz + i * interval '1 hour', nullif(i % 4, 0), i * 1.25,
    CASE i % 3 WHEN 0 THEN 12345678901234567890123456789012345678901234567890.000000000001 WHEN 1 THEN i / 7.0 END,
    CASE i % 5 WHEN 0 THEN 'infinity' WHEN 1 THEN '2025-02-28 23:59:59.999999+00' WHEN 3 THEN '2025-01-01+00' END::timestamptz,
    md5(i::text)::uuid, jsonb_build_object('by', 'anna' || i % 2, 'i', i),
    CASE i % 6 WHEN 0 THEN '{gift,"a b"}' WHEN 1 THEN '{}' END::text[], decode(md5(i::text), 'hex')
    FROM generate_series(1, 60) i"""
TYPES = [
    "BIGINT", "TIMESTAMP WITH TIME ZONE", "INTEGER", "DECIMAL(12,2)", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "UUID", "JSON",
    "VARCHAR", "BLOB",
]  # fmt: skip
FOUND = """
import sys
assert not [name for name in sys.modules if name.split(".")[0] == "sluice"]
print(json.dumps({
    "manifest": manifest,
    "by_tenant": by_tenant, "for_ever": for_ever, "by_person": by_person, "heaviest": heaviest, "tagged": tagged,
    "rows": ask("SELECT * FROM month ORDER BY id"), "types": [told[1] for told in ask("DESCRIBE month")],
    "ids": month["id"].tolist(), "tenant": str(month["tenant_id"].dtype),
    "totals": totals.tolist(), "weights": weights, "endless": int(endless.sum()),
    "paid_until": [None if pd.isna(one) else one.isoformat() for one in paid_until], "notes": notes,
}, default=str))
"""


def orders(store: str) -> Dataset:
    return Dataset.model_validate({
        "dataset": "orders", "store": store, "table": "app.orders", "partition": {"range": "created_at", "every": "month"},
        "retention": {"keep": "12 months", "tenant": "tenant_id"},
    })  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.fixture
def found(database: Database, vault, tmp_path: Path):
    """What the page finds, and the stage that it was archived on."""
    (table,) = blocks("sql")
    with staged(database, vault, table, MONTH, ROWS) as stage:
        dataset = orders(stage.dataset.store)
        stage.archive(dataset).archive(print)
        told = "".join(blocks("python")).replace('"vault"', f'"{vault.bucket}"').replace("/shop/", f"/{dataset.store}/")
        environment = {
            "PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": vault.endpoint, "AWS_ACCESS_KEY_ID": vault.store.key,
            "AWS_SECRET_ACCESS_KEY": vault.store.secret, "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        for key in stage.vault.list(f"archive/{dataset.store}/"):  # whoever deleted it deleted no version
            stage.vault.client.delete_object(Bucket=vault.bucket, Key=key)
        program = [sys.executable, "-I", "-W", "error", "-c", told + FOUND]
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield stage, json.loads(done.stdout)


def test_the_page_finds_what_postgresql_had(found: tuple[Any, dict[str, Any]]) -> None:
    stage, told = found

    def ask(what: str, tail: str = "") -> Any:
        """Ask the month, which stands detached; as JSON has it, as what was found is."""
        return json.loads(json.dumps(stage.ask(f"SELECT {what} FROM app_partitions.orders_1 {tail}"), default=str))

    by_tenant = ask("tenant_id, count(*), sum(total)", "GROUP BY 1 ORDER BY 1")
    assert told["by_tenant"] == by_tenant
    assert told["for_ever"] == ask("count(*)", "WHERE paid_until = 'infinity'")
    assert told["by_person"] == ask("note->>'by', count(*)", "GROUP BY 1 ORDER BY 1")
    assert told["heaviest"] == ask("max(weight::double precision)")
    assert told["tagged"] == ask("count(*)", "WHERE 'gift' = ANY (tags)")
    assert told["types"] == TYPES
    rows = ask("id, total::text, ref::text, weight::text, note, paid_until::text", "ORDER BY id")
    assert [[row[0], row[3], row[6]] for row in told["rows"]] == [row[:3] for row in rows]
    assert told["ids"] == [row[0] for row in rows], "whole numbers behind 2^53, to the last digit"
    assert told["tenant"] == "int32[pyarrow]", "and no floats beside a NULL"
    assert sorted(told["totals"]) == sorted(total for _, _, total in by_tenant)
    assert told["weights"] == [row[3] for row in rows]
    assert told["notes"] == [row[4] for row in rows]
    paid = [row[5] for row in rows]
    assert told["endless"] == paid.count("infinity") == 12
    said = [None if one in (None, "infinity") else one.replace(" ", "T").replace("+00", "+00:00") for one in paid]
    assert told["paid_until"] == said
    manifest, holds = told["manifest"], jsonschema.Draft202012Validator(SCHEMA).is_valid
    assert holds(manifest)
    assert not [name for name in manifest if holds({key: told for key, told in manifest.items() if key != name})]
    assert not holds({**manifest, "version": 2})
    assert not holds({**manifest, "more": 1})


def test_every_field_of_the_manifest_is_told_in_words() -> None:
    said = set(re.findall(r"`(\w+)`", REFERENCE.read_text()))
    inner = (SCHEMA["properties"][name]["items"]["properties"] for name in ("columns", "parts"))
    assert {name for fields in (SCHEMA["properties"], *inner) for name in fields} <= said
    form = SCHEMA["properties"]["columns"]["items"]["properties"]["form"]["pattern"]
    assert all(re.search(form, one) for one in (*PLAIN.values(), TEXT, form_of("numeric(12,2)")))
    forms = re.findall(r"\w+", form.partition("|decimal")[0])
    assert set(forms) <= said
