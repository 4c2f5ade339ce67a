"""What is made from the models is up to date, agrees with them, and reading stays cheap."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from sluice.estate import EstateErrors, document, migration_files, read_estate
from sluice.estate.fields import Part
from sluice.estate.health import HealthFile
from sluice.estate.models import (
    Dataset,
    EstateFile,
    IntoPostgresMigration,
    ItemsFile,
    PriceFile,
    SameClusterMigration,
    SingleTableMigration,
    TableModel,
)
from sluice.estate.schema import made_files, write_made_files
from sluice.estate.words import schema_of

from tests.samples import copy_estate

ROOT = Path(__file__).parents[2]
SAMPLES = {
    "include/estate/estate.yaml": "include/estate/schema/estate.json",
    "include/estate/migrations/user_sessions.yaml": "include/estate/schema/migration.json",
    "include/estate/migrations/audit_log.yaml": "include/estate/schema/migration.json",
    "include/health/rules.yaml": "include/estate/schema/health.json",
}


@pytest.mark.parametrize("path", made_files(), ids=str)
def test_made_files_are_up_to_date(path: Path):
    assert (ROOT / path).read_text() == made_files()[path], "run python -m sluice.estate.schema"


def test_the_command_writes_them(tmp_path: Path):
    write_made_files(tmp_path)
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")} == set(made_files())


@pytest.mark.parametrize(
    "model",
    [
        EstateFile,
        SameClusterMigration,
        SingleTableMigration,
        IntoPostgresMigration,
        TableModel,
        Dataset,
        ItemsFile,
        PriceFile,
        HealthFile,
    ],
)
def test_every_field_is_described(model: type[Part]):
    schema = schema_of(model)
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            described = field if "description" in field else schema["$defs"][field["$ref"].rsplit("/", 1)[-1]]
            assert described["description"].endswith("."), name


@pytest.mark.parametrize(("sample", "schema"), SAMPLES.items())
def test_samples_point_at_their_schema_and_keep_it(sample: str, schema: str):
    first = (ROOT / sample).read_text().splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (ROOT / sample).parent.joinpath(first.removeprefix(prefix)).resolve() == (ROOT / schema).resolve()
    values = json.loads(json.dumps(document.open_document(ROOT / sample, sample).values))
    checker = jsonschema.Draft202012Validator(json.loads((ROOT / schema).read_text()))
    checker.validate(values)
    with pytest.raises(jsonschema.ValidationError):
        checker.validate({**values, "no_such_field": 1})


def test_the_sample_estate_is_what_the_demo_needs(tmp_path: Path):
    copy_estate(tmp_path)
    estate = read_estate(tmp_path)
    assert sorted(estate.migrations) == ["audit_log", "user_sessions"]
    for migration in estate.migrations.values():
        assert migration.cutover.window is None, "the demo must run at any time"
        assert migration.accept == ("weaker_key",)


def test_the_howto_s_files_can_be_read(tmp_path: Path):
    page = (ROOT / "docs/howto/point-it-at-your-table.md").read_text()
    store, *migration = re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)
    (tmp_path / "include/estate/migrations").mkdir(parents=True)
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations/order_rules.json").write_text("{}")
    sample = (ROOT / "include/estate/estate.yaml").read_text()
    (tmp_path / "include/estate/estate.yaml").write_text(sample.replace("stores:\n", store))
    orders = tmp_path / "include/estate/migrations/orders.yaml"
    orders.write_text("".join(migration))
    assert {"certify", "shop"} <= set(read_estate(tmp_path).stores)
    orders.write_text(migration[0].replace("  table:", "  tabel:"))
    with pytest.raises(EstateErrors) as caught:
        read_estate(tmp_path)
    assert str(caught.value).splitlines()[-1] in page


def test_every_shape_of_the_howto_can_be_read(tmp_path: Path):
    page = (ROOT / "docs/howto/choose-a-shape.md").read_text()
    shapes = re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)
    (tmp_path / "include/estate/migrations").mkdir(parents=True)
    shutil.copy(ROOT / "include/estate/estate.yaml", tmp_path / "include/estate")
    for number, into in enumerate(shapes):
        text = f"migration: m{number}\nfrom: {{store: certify, table: app.t{number}}}\n{into}"
        (tmp_path / f"include/estate/migrations/m{number}.yaml").write_text(text)
    read = read_estate(tmp_path).migrations.values()
    assert len(read) == len(shapes) == 5
    assert sum(len(migration.target.cuts) for migration in read) == 5
    assert sum(len(migration.target.columns) for migration in read) == 4


def test_each_of_fifty_migrations_is_parsed_once_however_many_look_at_it(tmp_path: Path):
    text = (copy_estate(tmp_path) / "user_sessions.yaml").read_text()
    for number in range(50):
        one = text.replace("migration: user_sessions", f"migration: m{number}").replace("user_sessions", f"t{number}")
        path = tmp_path / f"include/estate/migrations/m{number}.yaml"
        path.write_text(one.replace(f"migration: t{number}", f"migration: m{number}"))
    document._parsed.cache_clear()
    assert len(read_estate(tmp_path).migrations) == len(migration_files(tmp_path)) == 52
    files = len(list(tmp_path.rglob("*.yaml")))
    assert document._parsed.cache_info().misses <= files
    read_estate(tmp_path)
    assert document._parsed.cache_info().misses <= files


def test_reading_needs_neither_airflow_nor_a_driver():
    heavy = ("airflow", "psycopg", "pandas", "boto3", "great_expectations", "sqlalchemy")
    code = f"import sluice.estate, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "plugins", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
