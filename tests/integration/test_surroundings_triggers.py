"""Triggers of a table that is moved: they fire once, on whichever table is live, in the state that they were in."""

from __future__ import annotations

import pytest
from psycopg import errors
from sluice.migration.engine.contract import Phase

from tests.integration.moved import HASHED, MONTHS, PLAIN

THING = (
    "CREATE TABLE app.thing (id bigint PRIMARY KEY, lost int, at timestamptz NOT NULL DEFAULT now(), note text,"
    " touched int DEFAULT 0)",
    "ALTER TABLE app.thing DROP COLUMN lost",
    "INSERT INTO app.thing (id, note) SELECT n, 'n' FROM generate_series(1, 300) n",
    "CREATE TABLE app.log (what text, id bigint)",
    "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.touched := NEW.touched + 1; RETURN NEW; END'",
    "CREATE FUNCTION app.log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
    " 'BEGIN INSERT INTO app.log VALUES (TG_ARGV[0], NEW.id); RETURN NULL; END'",
    "CREATE FUNCTION app.many() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
    " 'BEGIN INSERT INTO app.log SELECT ''many'', count(*) FROM fresh; RETURN NULL; END'",
    "CREATE TRIGGER touch BEFORE UPDATE ON app.thing FOR EACH ROW EXECUTE FUNCTION app.touch()",
    "CREATE TRIGGER log AFTER UPDATE OF note ON app.thing FOR EACH ROW WHEN (OLD.note IS DISTINCT FROM NEW.note)"
    " EXECUTE FUNCTION app.log('row')",
    "CREATE TRIGGER off AFTER UPDATE ON app.thing FOR EACH ROW EXECUTE FUNCTION app.log('off')",
    "ALTER TABLE app.thing DISABLE TRIGGER off",
    "CREATE TRIGGER replay AFTER UPDATE ON app.thing FOR EACH ROW EXECUTE FUNCTION app.log('replay')",
    "ALTER TABLE app.thing ENABLE REPLICA TRIGGER replay",
    "CREATE TRIGGER always AFTER DELETE ON app.thing FOR EACH STATEMENT EXECUTE FUNCTION app.log('gone')",
    "ALTER TABLE app.thing ENABLE ALWAYS TRIGGER always",
    "CREATE TRIGGER many AFTER INSERT ON app.thing REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION app.many()",
    "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.thing DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    " EXECUTE FUNCTION app.log('late')",
)
WIDER = {"touched": {"type": "bigint", "from": "touched::bigint", "back": "touched::int"}}
TRIGGERS = """SELECT tgname::text, tgenabled::text FROM pg_trigger
              WHERE tgrelid = 'app.thing'::regclass AND NOT tgisinternal AND tgname NOT LIKE '!%' ORDER BY 1"""


@pytest.mark.parametrize(
    ("into", "accept"),
    [
        (PLAIN, ()),
        (HASHED, ()),
        (MONTHS, ("weaker_key",)),
        # What another trigger may write again is read anew, and each changed column is made of all of that row.
        ({"columns": WIDER}, ("way_back",)),
        ({**MONTHS, "columns": WIDER}, ("weaker_key", "way_back")),
    ],
    ids=["plain", "hashed", "months", "changed", "changed-months"],
)
def test_a_trigger_fires_once_wherever_the_live_table_is(moving, into, accept):
    moved = moving(into, *THING, accept=accept)
    before = moved.ask(TRIGGERS)
    for number, phase in enumerate((Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED, Phase.CUT_OVER)):
        facts = moved.to(phase)
        assert all(step["carried_missing"] == 0 for step in facts.values() if "carried_missing" in step)
        assert moved.ask(TRIGGERS) == before
        new = 1000 + number
        moved.admin("TRUNCATE app.log")
        moved.use(
            f"UPDATE app.thing SET note = 'n{number}' WHERE id = 7",
            f"INSERT INTO app.thing (id) VALUES ({new})",
            f"DELETE FROM app.thing WHERE id = {new}",
        )
        assert moved.ask("SELECT touched FROM app.thing WHERE id = 7") == [(number + 1,)]
        assert moved.ask("SELECT * FROM app.log ORDER BY 1") == [("gone", None), ("late", new), ("many", 1), ("row", 7)]
        assert moved.equal()
    moved.to(Phase.PLANNED)
    assert moved.ask(TRIGGERS) == before


def test_a_trigger_that_refuses_refuses_on_the_new_table(moving):
    refusing = (
        "CREATE FUNCTION app.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'",
        "CREATE TRIGGER no BEFORE DELETE ON app.thing FOR EACH ROW EXECUTE FUNCTION app.no()",
    )
    moved = moving(HASHED, *THING, *refusing)
    for phase in (Phase.CUT_OVER, Phase.VERIFIED):
        moved.to(phase)
        with pytest.raises(errors.RaiseException):
            moved.use("DELETE FROM app.thing WHERE id = 3")
        assert moved.ask("SELECT count(*) FROM app.thing WHERE id = 3") == [(1,)]


@pytest.mark.parametrize(
    ("into", "more", "code"),
    [
        (
            PLAIN,
            'CREATE TRIGGER "!a" AFTER INSERT ON app.thing FOR EACH ROW EXECUTE FUNCTION app.log()',
            "trigger_order",
        ),
        (
            HASHED,
            "CREATE TRIGGER rows AFTER INSERT ON app.thing REFERENCING NEW TABLE AS fresh FOR EACH ROW"
            " EXECUTE FUNCTION app.many()",
            "refused_by_postgres",
        ),
        (
            MONTHS,
            "CREATE FUNCTION app.now() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';"
            "CREATE TRIGGER now BEFORE INSERT ON app.thing FOR EACH ROW EXECUTE FUNCTION app.now()",
            "before_trigger",
        ),
    ],
)
def test_what_would_not_fire_as_before_is_refused(moving, into, more, code):
    moved = moving(into, *THING, more, accept=("weaker_key",))
    assert moved.codes() - {"weaker_key"} == {code}


def test_row_triggers_on_partitions_are_told(moving):
    moved = moving(HASHED, *THING)
    assert "TG_TABLE_NAME and TG_RELID of late, log, off, replay, touch name the partition" in moved.said()
