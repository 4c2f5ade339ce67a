"""What version 1.0 left behind in a store: its marks and its trigger functions, word for word.

`capture.sql` and `reverse.sql` are `pg_get_functiondef` of the sample's migration as 1.0 made it, but for the months.
"""

from __future__ import annotations

from pathlib import Path

from sluice.stores.statements import SQL_ROOT

from tests.chaos.stage import Stage

HERE = Path(__file__).parent
FIRST = SQL_ROOT / "schema/marks/V1_0_0__marks.sql"
BACK_TO_1_0 = """
DROP SCHEMA sluice_routing CASCADE;
DROP TABLE sluice.route, sluice.canary;
DROP FUNCTION sluice.empty_taken(regclass);
ALTER TABLE sluice.migration DROP COLUMN verified_under, DROP COLUMN target_parts, DROP COLUMN renewal_due;
ALTER TABLE sluice.migration DROP COLUMN target_taken;
ALTER TABLE sluice.compared DROP COLUMN under;
DROP FUNCTION sluice.capture_state(text);
DROP FUNCTION sluice.parts(oid);
DROP TRIGGER released ON sluice.quarantine;
DROP FUNCTION sluice.release_row();
DROP TABLE sluice.released;
DROP TABLE sluice.place;
DROP TABLE sluice.taken;
DROP FUNCTION sluice.take_row();
ALTER TABLE sluice.quarantine DROP COLUMN image, DROP COLUMN token;
ALTER TABLE sluice.chunk DROP COLUMN rows_skipped;
DELETE FROM sluice.release WHERE release_set = 'marks' AND version <> '1.0.0';
{fingerprint}
UPDATE sluice.migration
SET source_fingerprint = sluice.fingerprint(source_oid), target_fingerprint = sluice.fingerprint(target_oid);
"""
ONE_BY_ONE = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgname = '!sluice_capture_insert') THEN
        DROP TRIGGER "!sluice_capture_insert" ON app.user_sessions;
        CREATE OR REPLACE TRIGGER "!sluice_capture" AFTER INSERT OR UPDATE OR DELETE ON app.user_sessions
        FOR EACH ROW EXECUTE FUNCTION sluice.capture__user_sessions();
        ALTER TABLE app.user_sessions ENABLE ALWAYS TRIGGER "!sluice_capture";
    END IF;
END $$;
"""
"""Its triggers: 1.0 was told of each row."""


def turn_back(stage: Stage, direction: str = "capture") -> None:
    """Make the store what 1.0 would have left: its marks, its function, and its triggers if they are on."""
    function = f"sluice.{direction}__user_sessions()"
    ((lower, upper),) = stage.ask("SELECT lower_bound, upper_bound FROM sluice.migration")
    text = (HERE / f"{direction}.sql").read_text().replace("{lower}", lower).replace("{upper}", upper)
    released = FIRST.read_text()
    begin, end = (released.index(f"{what} FUNCTION sluice.fingerprint") for what in ("CREATE", "COMMENT ON"))
    fingerprint = "CREATE OR REPLACE" + released[begin:end].removeprefix("CREATE")
    stage.ask(
        BACK_TO_1_0.replace("{fingerprint}", fingerprint)
        + ONE_BY_ONE
        + text.rstrip()
        + f";\nCOMMENT ON FUNCTION {function} IS NULL;"
    )
