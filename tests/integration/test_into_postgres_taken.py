"""A target that is there already: an empty one that fits is taken and left where it is, any other is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sluice.migration.engine.contract import Fence, NotYet, Phase

from tests.rowed import ITEMS, TENANT, Stage, audit, copied, to_backfilled

TABLE = "app.tyler_audit_log"
MAKE = f"""
SET ROLE certify_owner;
CREATE TABLE {TABLE} (
    id text, performed_at timestamptz, actor text, action varchar(12), amount numeric, tenant_id uuid NOT NULL DEFAULT '{TENANT}',
    extra jsonb, remark text, PRIMARY KEY (id, performed_at)) PARTITION BY RANGE (performed_at);
CREATE TABLE app.log_2024_01 PARTITION OF {TABLE} FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z');
CREATE TABLE app.log_spring PARTITION OF {TABLE} FOR VALUES FROM ('2024-02-01Z') TO ('2024-05-01Z');
CREATE POLICY mine ON {TABLE} USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid);
"""
CLOSED = "".join(
    f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
    for table in (TABLE, "app.log_2024_01", "app.log_spring")
)


def refusals(stage: Stage) -> dict[str, str]:
    """What preflight says, by code, but for what a person accepts."""
    found = stage.kind().preflight()
    return {one.code: str(one) for one in found if one.blocks and not one.acceptable}


def test_an_empty_table_that_fits_is_taken_and_an_abort_leaves_it(stage: Stage) -> None:
    stage.ask(MAKE + CLOSED)
    kind = stage.kind()
    assert refusals(stage) == {}
    assert "target_taken" in {one.code for one in kind.preflight()}
    ((oid,),) = stage.ask(f"SELECT '{TABLE}'::regclass::oid::bigint")
    facts = kind.expand()
    assert facts["partitions_missing"] == facts["partitions_gaps"] == facts["columns_missing"] == 0, facts
    assert facts["rls_differs"] == facts["policies_missing"] == facts["key_differs"] == 0, facts
    parts = [
        name
        for (name,) in stage.ask(f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = {oid} ORDER BY 1")
    ]
    assert {"app.log_2024_01", "app.log_spring"} < set(parts), "what there was stays"
    assert f"app_partitions.tyler_audit_log_y{datetime.now(UTC):%Ym%m}" in parts, "and what is missing is made"
    assert not any(part.endswith(("y2024m01", "y2024m03")) for part in parts)
    kind = to_backfilled(stage)
    assert len(stage.rows()) == ITEMS and kind.diff().clean
    stage.ask(f"INSERT INTO {TABLE} (id, performed_at, remark) VALUES ('mine', '2024-01-05Z', 'an application''s')")
    kind.abort()
    assert stage.ask(f"SELECT '{TABLE}'::regclass::oid::bigint") == [(oid,)], "it is the same table"
    assert stage.ask(f"SELECT id, remark FROM {TABLE}") == [("mine", "an application's")]
    ours = (
        f"SELECT attname FROM pg_attribute WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    assert [name for (name,) in stage.ask(ours)][-2:] == ["extra", "remark"], "nothing of ours is left"
    assert stage.ask(f"SELECT polname FROM pg_policy WHERE polrelid = {oid}") == [("mine",)]
    assert "has rows" in refusals(stage)["target_has_rows"]
    stage.ask(f"DELETE FROM {TABLE}")
    again = to_backfilled(stage)
    assert again.position().epoch == 2 and len(stage.rows()) == ITEMS and again.diff().clean


WRONG = {
    "target_has_rows": (
        "INSERT INTO {t} (id, performed_at) VALUES ('x', '2024-01-05Z')",
        "name another table under `into.table`",
    ),
    "target_not_ours": ("ALTER TABLE {t} OWNER TO postgres", "belongs to postgres"),
    "target_open": ("ALTER TABLE app.log_spring NO FORCE ROW LEVEL SECURITY", "enabled and forced on app.log_spring"),
    "target_overlaps": (
        "CREATE TABLE app.odd PARTITION OF {t} FOR VALUES FROM ('2024-07-15Z') TO ('2024-09-01Z')",
        "y2024m07",
    ),
    "target_without_bounds": ("CREATE TABLE app.rest PARTITION OF {t} DEFAULT", "Detach them"),
}
DIFFERS = {
    "amount is numeric(10,2), not numeric": "ALTER TABLE {t} ALTER amount TYPE numeric(10,2)",
    "action is character varying(10), not character varying(12)": "ALTER TABLE {t} ALTER action TYPE varchar(10)",
    "it has no column extra": "ALTER TABLE {t} DROP COLUMN extra",
    "remark is NOT NULL": "ALTER TABLE {t} ALTER remark SET NOT NULL",
    "its key is (), not (id, performed_at)": "ALTER TABLE {t} DROP CONSTRAINT tyler_audit_log_pkey",
}


@pytest.mark.parametrize("code", WRONG)
def test_a_table_that_cannot_be_taken_is_refused_with_the_next_action(stage: Stage, code: str) -> None:
    spoil, said = WRONG[code]
    stage.ask(MAKE + CLOSED + "RESET ROLE; " + spoil.format(t=TABLE))
    found = refusals(stage)
    assert said in found[code]
    with pytest.raises(NotYet, match=code):
        stage.kind().expand()
    assert stage.kind().position().phase is Phase.PLANNED
    assert stage.ask(
        "SELECT count(*) FROM pg_attribute WHERE attname = '_token' AND attrelid::regclass::text LIKE 'app%'"
    ) == [(0,)]


@pytest.mark.parametrize("said", DIFFERS)
def test_a_table_that_differs_says_in_what(stage: Stage, said: str) -> None:
    stage.ask(MAKE + CLOSED + DIFFERS[said].format(t=TABLE))
    assert said in refusals(stage)["target_differs"]


def test_a_plain_table_for_a_partitioned_one_and_rows_that_come_before_expand(stage: Stage) -> None:
    stage.ask(MAKE.split("CREATE TABLE app.log_2024")[0].replace("PARTITION BY RANGE (performed_at)", ""))
    assert "it is partitioned by nothing, not by RANGE (performed_at)" in refusals(stage)["target_differs"]
    stage.ask(f"DROP TABLE {TABLE};" + MAKE + CLOSED)
    kind = stage.kind()
    assert refusals(stage) == {}
    stage.ask(f"INSERT INTO {TABLE} (id, performed_at) VALUES ('x', '2024-01-05Z')")
    with pytest.raises(NotYet, match="has rows"):
        kind.expand()
    stage.ask(f"DELETE FROM {TABLE}")
    kind.expand()
    kind.start_capture()
    stage.put(audit(500))
    kind.replicate(10)
    kind.plan_chunks()
    copied(kind)
    kind.finish_backfill(Fence(1))
    assert "a00500" in stage.rows() and kind.diff().clean
