"""The documents say what is true: commands parse, YAML is valid, links, paths, DAGs and relations exist.

Samples play in one estate: the sample's stores and `shop`; one page's `orders` may be another page's too.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from sluice.estate import (
    EstateErrors,
    migration_files,
    read_dataset,
    read_items,
    read_migration,
    read_model,
    read_stores,
)
from sluice.estate.datasets import DATASETS
from sluice.estate.items_files import ITEMS
from sluice.estate.models import EstateFile, PriceFile
from sluice.insight.cost.prices import read_prices
from sluice.insight.health.rules import OWN, SHIPPED, read_rules
from sluice.local.cli import _parser as command_line

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SAMPLES = {
    "include/estate/migrations/orders.yaml": "migration: orders\nfrom: {store: shop, table: app.orders}\n"
    "into: {table: app.orders_by_month, partition: {range: placed_at, every: month}}\n",
    "include/estate/datasets/orders.yaml": "dataset: orders\nstore: shop\ntable: app.orders\n"
    "partition: {range: created_at, every: month}\n",
    "include/estate/items/trail.yaml": "items: trail\nmodel: tyler\nentity: audit\n"
    "archive: {since: 2024-01, keep: 12 months}\n",
    "include/estate/prices.yaml": "factor: 0.93\n",
    "include/estate/health.yaml": "rules:\n  bloat: {off: true}\n",
    "expectations/order_rules.json": "{}",
}
"""Files that the documents let the reader write."""
ROOMS = "estate|stores|ledger|proof|migration|flow|console|local"
FOLDERS = r"dags|plugins|include|expectations|tests|docs|benchmarks|docker|deploy|\.ci"


def blocks(text: str, *languages: str) -> Iterator[str]:
    """Give the fenced blocks of these languages."""
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
        if language in languages:
            yield body


def inline(text: str) -> Iterator[str]:
    """Give what stands in backticks outside fenced blocks."""
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        yield code.replace(r"\|", "|")


def commands(text: str) -> Iterator[list[str]]:
    """Give the arguments of each `./sluice …`: the first of a choice, without what is optional, an ellipsis, or where it goes."""
    fenced = [line for block in blocks(text, "sh", "console", "") for line in block.splitlines()]
    indented = re.findall(r"^ {4}(\S.*)", text, re.M)
    for line in [*fenced, *indented, *inline(text)]:
        for said in re.findall(r"(?:^|\$ |&& )(\./sluice [^#&]*[^#&\s])", line):
            plain = re.sub(r"\[[^]]*\]|…| > \S+", "", said)
            yield shlex.split(re.sub(r"(\w+)(?:\|\w+)+", r"\1", plain))[1:]


def wrong_commands(text: str) -> list[str]:
    """List the commands that the real parser refuses."""
    return [shlex.join(told) for told in commands(text) if not _parses(told)]


def _parses(told: list[str]) -> bool:
    if told[:1] == ["backfill"] and "--from" not in told:  # shortened in prose
        told = [*told[:1], "DAG", "--from", "2026-01-01", "--to", "2026-01-01", *told[1:]]
    try:
        command_line().parse_args(told)
    except SystemExit:
        return False
    return True


def wrong_yaml(text: str, root: Path) -> list[str]:
    """List what is wrong with the YAML of a page: whole migrations, pieces of one, pieces of estate.yaml, whole designs."""
    return [said for block in blocks(text, "yaml") if (said := _judged(block, root))]


def _judged(block: str, root: Path) -> str:
    data = yaml.safe_load(block)
    if set(data) in ({"scrape_configs"}, {"groups"}):  # Prometheus's own
        return ""
    if set(data) <= set(PriceFile.model_fields):
        return _judged_prices(block, root)
    if "entities" in data:
        return _judged_design(block, root / f"{data['model']}.yaml")
    if "items" in data:
        return _judged_items(block, root / ITEMS / f"{data['items']}.yaml")
    if "dataset" in data:
        return _judged_dataset(block, root / DATASETS / f"{data['dataset']}.yaml")
    if set(data) <= {"rules", "silences"}:
        return _judged_rules(block, root)
    estate, sample = root / "include/estate/estate.yaml", root / "include/estate/migrations/orders.yaml"
    is_estate = set(data) <= set(EstateFile.model_fields)
    base = yaml.safe_load(SAMPLES["include/estate/migrations/orders.yaml"])
    name = data.get("migration", "orders")
    target = estate if is_estate else sample.with_name(f"{name}.yaml")
    before = target.read_text() if target.exists() else ""
    try:
        target.write_text(block if "migration" in data else _merged(before if is_estate else base, block))
        _ = read_stores(root) if is_estate else read_migration(target, read_stores(root))
    except EstateErrors as error:
        return str(error)
    finally:
        target.write_text(before) if before else target.unlink()
    return ""


def _judged_rules(block: str, root: Path) -> str:
    (root / OWN).write_text(block)
    try:
        read_rules(root, read_stores(root).stores)
    except EstateErrors as error:
        return str(error)
    return ""


def _judged_design(block: str, path: Path) -> str:
    path.write_text(block)
    try:
        read_model(path)
    except EstateErrors as error:
        return str(error)
    return ""


def _judged_prices(block: str, root: Path) -> str:
    path = root / "include/estate/prices.yaml"
    before = path.read_text()
    path.write_text(block)
    try:
        read_prices(root, date(2026, 10, 1))
    except EstateErrors as error:
        return str(error)
    finally:
        path.write_text(before)
    return ""


def _judged_items(block: str, path: Path) -> str:
    path.write_text(block)
    try:
        read_items(path, {"tyler": "dynamodb"})
    except EstateErrors as error:
        return str(error)
    finally:
        path.unlink()
    return ""


def _judged_dataset(block: str, path: Path) -> str:
    before = path.read_text() if path.exists() else ""
    path.write_text(block)
    try:
        read_dataset(path, {"shop": "postgres"})
    except EstateErrors as error:
        return str(error)
    finally:
        path.write_text(before) if before else path.unlink()
    return ""


def _merged(base: str | dict[str, Any], piece: str) -> str:
    """Put a piece into its file. Migrations by text, as times must stay as they are written."""
    if isinstance(base, str):
        for key in yaml.safe_load(piece):
            base = re.sub(rf"^{key}:.*\n(?:[ #].*\n|\n)*", "", base, flags=re.M)
        return base + piece
    kept = {key: value for key, value in base.items() if key not in yaml.safe_load(piece)}
    return yaml.safe_dump(kept) + piece


def wrong_links(text: str, page: Path) -> list[str]:
    """List links to files that are not there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", re.sub(r"`[^`]*`", "", text))
    return [link for link in links if not (page.parent / link).exists()]


def wrong_paths(text: str) -> list[str]:
    """List paths in backticks that are not in the project."""
    told = [code for code in inline(text) if re.fullmatch(rf"(?:{FOLDERS}|{ROOMS})/[\w./-]*", code)]
    return [path for path in told if not _exists(path)]


def _exists(path: str) -> bool:
    if path in SAMPLES or path == "dags/verb_noun.py":
        return True
    return any((base / path).exists() for base in (ROOT, ROOT / "plugins/sluice", ROOT / "plugins/sluice/migration"))


def wrong_dags(text: str) -> list[str]:
    """List DAGs, named in commands or in backticks, that no file makes, nor a migration that the page writes out."""
    told = set(re.findall(r"\b(?:migrate|backfill_window|backup|restore|restore_drill)__[a-z]\w*", text))
    runs = (words[1] for words in commands(text) if words[0] in ("run", "backfill") and words[1:])
    told |= {dag for dag in runs if re.fullmatch(r"[a-z]\w*", dag)}
    own = {f"migrate__{name}" for name in re.findall(r"^migration: (\w+)$", text, re.M)}
    return sorted(told - dag_ids() - own)


@cache
def dag_ids() -> frozenset[str]:
    """Give the DAGs of the files, for the estate's migrations and stores, and the documents' own."""
    names = set(read_stores(ROOT).stores) | {
        path.stem for path in (*migration_files(ROOT), *map(Path, SAMPLES)) if path.suffix == ".yaml"
    }
    made = " ".join(path.read_text() for path in (ROOT / "dags").glob("*.py"))
    families = re.findall(r'dag_id=f"(\w+?__)\{', made)
    return frozenset({f + name for f in families for name in names} | set(re.findall(r'dag_id="(\w+)"', made)))


def wrong_relations(text: str) -> list[str]:
    """List tables, views and functions of Sluice's own schemas that no release makes."""
    released = "".join(path.read_text() for path in (ROOT / "include/sql").rglob("*.sql"))
    creates = r"CREATE (?:OR REPLACE )?(?:TABLE|VIEW|FUNCTION) (?:IF NOT EXISTS )?((?:sluice|control)\.\w+)"
    made = set(re.findall(creates, released))
    told = set(re.findall(r"(?:FROM|SELECT|from|select) ((?:sluice|control)\.\w+)", text))
    told |= {code for code in inline(text) if re.fullmatch(r"(?:sluice|control)\.[a-z_]+", code)}
    rooms = {f"sluice.{path.stem}" for path in (ROOT / "plugins/sluice").iterdir()}
    return sorted(told - made - rooms)


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    """A copy of the sample estate, with the store and the files that the documents let the reader add."""
    for folder in ("include/estate", "include/prices", str(SHIPPED.parent), "expectations"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name, text in SAMPLES.items():
        (tmp_path / name).write_text(text)
    stores = tmp_path / "include/estate/estate.yaml"
    stores.write_text(stores.read_text() + "  shop: {engine: postgres, connection: pg_shop, rto: 1h, rpo: 5m}\n")
    return tmp_path


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_a_page_is_true(page: Path, estate: Path) -> None:
    text = page.read_text()
    wrong = {
        "commands": wrong_commands(text),
        "YAML": wrong_yaml(text, estate),
        "links": wrong_links(text, page),
        "paths": wrong_paths(text),
        "DAGs": wrong_dags(text),
        "relations": wrong_relations(text),
    }
    assert {kind: found for kind, found in wrong.items() if found} == {}


def test_the_documents_hold_what_is_checked() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert len(list(commands(text))) > 30
    assert len(list(blocks(text, "yaml"))) > 4
    assert {"up", "demo", "test", "run", "backfill", "abort", "psql"} <= {told[0] for told in commands(text)}


def test_the_readme_lists_every_dag() -> None:
    (row,) = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `dags/` |")]
    made = "".join(path.read_text() for path in (ROOT / "dags").glob("*.py"))
    families = {f"{name}<" for name in re.findall(r'dag_id=f"(\w+?__)\{', made)}
    told = {re.sub(r"<.*", "<", name) for name in re.findall(r"`([\w<>]+)`", row)}
    assert told == families | set(re.findall(r'dag_id="(\w+)"', made))


def lost_evidence(text: str) -> list[str]:
    """List places that name the link to the evidence and not the tab that it is on: nobody finds it elsewhere."""
    return re.findall(r"(?<!Details\* → )\*+Evidence\*+|Evidence button|button \*?Evidence", text)


def test_the_evidence_is_said_to_be_where_it_is() -> None:
    told = [
        *PAGES,
        *(ROOT / "dags").glob("*.py"),
        *(ROOT / "plugins").rglob("*.py"),
        *(ROOT / "tests/e2e").glob("*.py"),
    ]
    assert {path.name: found for path in told if (found := lost_evidence(path.read_text()))} == {}


LIES = {
    "an Evidence button on the task's page": (lost_evidence, "Press **Evidence** on the task."),
    "a command that is not there": (wrong_commands, "```sh\n./sluice launch\n```"),
    "an option that is not there": (wrong_commands, "Type `./sluice demo --fast`."),
    "a word of JSON that is none": (wrong_commands, "```sh\n./sluice run migrate__orders --conf '{to_phase}'\n```"),
    "a path that is not there": (wrong_paths, "See `plugins/sluice/flow/kitchen.py`."),
    "a room's path that is not there": (wrong_paths, "See `stores/kitchen.py`."),
    "a DAG that is not there": (wrong_dags, "Trigger `migrate__kitchen`."),
    "a DAG of no family": (wrong_dags, "Type `./sluice run tidy_up`."),
    "a view that is not there": (wrong_relations, "```sql\nSELECT * FROM sluice.kitchen;\n```"),
    "a function that is not there": (wrong_relations, "Type `SELECT sluice.explode('x')`."),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found(name: str) -> None:
    find, text = LIES[name]
    assert len(find(text)) == 1


def test_a_dead_link_is_found() -> None:
    assert wrong_links("[gone](docs/gone.md), [there](README.md)", ROOT / "README.md") == ["docs/gone.md"]


@pytest.mark.parametrize(
    "block",
    [
        "migration: orders\nfrom: {store: shop}\n",
        "cutover:\n  windows: {}\n",
        "gates: {verified: [no_such_suite]}\n",
        "stores:\n  shop: {engine: postgres}\n",
        "vault: {connection: s3, bucket: vault, lock: {keep: soon}}\n",
        "prices:\n  s3.standard: {usd: 0.02, per: TB-month}\n",
        "dataset: orders\nstore: shop\ntable: app.orders\npartition: {range: at}\n",
        "rules:\n  slow_statements: {over: many}\n",
        "model: shop\nstore: shop\nentities:\n  order: {records: [{record: METADATA}]}\n",
    ],
)
def test_wrong_yaml_is_found(block: str, estate: Path) -> None:
    assert len(wrong_yaml(f"```yaml\n{block}```\n", estate)) == 1
