-- Capture by trigger: atomic with the write, so there is no lag, and one snapshot sees both tables equal.

-- name: create_forward
-- Keyed on OLD, so that a moved key or partition key leaves nothing behind. What the target cannot hold is quarantined:
-- a user's write never fails for us. Guard and rescue stand only where a changed column's value may not fit. Rows are found by key,
-- always: a session keeps its plans, and one that it made while the table had a page would read all of it for each row of a load.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off {pins} AS $sluice$
#variable_conflict use_column
DECLARE
    live {source};
    gone boolean := false;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        BEGIN
            TRUNCATE {target};
        EXCEPTION WHEN object_in_use THEN
            -- TRUNCATE … CASCADE of a table that both point at has this one in hand too.
            DELETE FROM {target};
        END;
        DELETE FROM sluice.quarantine WHERE migration = {name};
        RETURN NULL;
    END IF;
    {all_at_once}
    {old_snapshot}
    {latest}
    {clear}
    {guard}
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (gone OR {moves})) THEN
        -- A key that was taken anew is told of by itself.
        IF NOT EXISTS (SELECT FROM {source} AS s WHERE {live_is_old}) THEN
            IF {old_fits} THEN
                -- A snapshot older than the copy cannot see it and would leave it behind: here the conflict raises 40001, which
                -- users of these isolations repeat by agreement.
                IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
                    INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({old_values}) ON CONFLICT ({key}) DO NOTHING;
                END IF;
            ELSE
                -- The same for a row that the copy put into quarantine.
                IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
                    INSERT INTO sluice.quarantine (migration, key, reason) VALUES ({name}, jsonb_build_array({old_key}), 'on its way out')
                    ON CONFLICT (migration, key) DO NOTHING;
                END IF;
                DELETE FROM sluice.quarantine WHERE migration = {name} AND key = jsonb_build_array({old_key})
                    AND NOT EXISTS (SELECT FROM {source} AS s WHERE {live_held});
            END IF;
            -- Wherever it fits: somebody may have made a partition for it since.
            DELETE FROM {target} WHERE {matches_old};
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' AND NOT gone THEN
        {put}
    END IF;
    {rescue}
    RETURN NULL;
END $sluice$

-- name: put
{lossless}
        IF {new_fits} THEN
            INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({new_values})
            ON CONFLICT ({key}) DO {on_conflict};
        ELSE
            INSERT INTO sluice.quarantine (migration, key, reason)
            VALUES ({name}, jsonb_build_array({new_key}), 'outside the partitions: ' || jsonb_build_array({partition_values})::text)
            ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason;
        END IF;

-- name: pins
-- What a text depends on, and a backslash in an expression of the YAML: the user's session may have set any of it. Only where the
-- function makes texts: setting these back and forth costs a third of its time.
SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' SET standard_conforming_strings = on

-- name: all_at_once
-- Told of an INSERT when it has ended, of all its rows: half the time of a row after the other.
IF TG_OP = 'INSERT' THEN
        IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
            PERFORM FROM {fresh_locked};
        END IF;
        INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE SELECT {fresh_values} FROM {fresh} WHERE {fresh_fits}
        ON CONFLICT ({key}) DO {on_conflict};
        -- As they were told of: one that was changed since is told of by itself.
        IF EXISTS (SELECT FROM told WHERE ({told_fits}) IS NOT TRUE) THEN
            INSERT INTO sluice.quarantine (migration, key, reason)
            SELECT {name}, jsonb_build_array({fresh_key}), 'outside the partitions: ' || jsonb_build_array({fresh_partition_values})::text
            FROM {fresh} WHERE ({fresh_fits}) IS NOT TRUE
            ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason;
        END IF;
        RETURN NULL;
    END IF;

-- name: fresh
-- The inserted rows as they are by now; what is gone again is not among them. Each is looked up by its key: the plan is kept for
-- the session, and a join that was planned for one row or for a million would be wrong for the other. One that a trigger of the
-- users' deleted for the next of the same key is told of as often as it was written. DISTINCT ON sorts; DISTINCT would hash, and rows
-- that come in no order are a fifth slower to look up and to insert.
(SELECT DISTINCT ON ({told_key}) {told_key} FROM told) AS told CROSS JOIN LATERAL (SELECT s.* FROM {source} AS s WHERE {live_is_told} OFFSET 0 {lock}) AS fresh

-- name: latest_forward
-- Somebody may have written this row again, and we were told of that first: any trigger of the same statement, on whatever table,
-- or a function that the statement calls. What the row is by now counts, and what is gone stays gone.
IF TG_OP <> 'DELETE' THEN
        SELECT s.* INTO live FROM {source} AS s WHERE {live_has_new};
        gone := NOT FOUND;
        IF NOT gone THEN
            NEW := live;
        END IF;
    END IF;

-- name: latest_reverse
-- The same, from the new table's side.
IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM {target} AS s WHERE {live_has_old}) THEN
            RETURN NULL;
        END IF;
    ELSE
        SELECT s.* INTO live FROM {target} AS s WHERE {live_is_new};
        IF NOT FOUND THEN
            IF TG_OP = 'UPDATE' AND NOT EXISTS (SELECT FROM {target} AS s WHERE {live_has_old}) THEN
                DELETE FROM {source} WHERE {matches_old};
                DELETE FROM sluice.quarantine WHERE migration = {name} AND key = jsonb_build_array({old_key});
            END IF;
            RETURN NULL;
        END IF;
        NEW := live;
    END IF;

-- name: old_snapshot
-- An old snapshot shows rows that others have deleted, and whose key is free by now: looked up, they would be taken for what is there.
-- Locking them raises 40001, which users of these isolations repeat by agreement.
IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        IF TG_OP <> 'INSERT' THEN
            PERFORM FROM {live_table} AS s WHERE {live_has_old} FOR KEY SHARE;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            PERFORM FROM {live_table} AS s WHERE {live_has_new} FOR KEY SHARE;
        END IF;
    END IF;

-- name: clear
-- What did not fit before is looked at anew: the row that is written, and the key that one leaves to nobody.
IF TG_OP <> 'DELETE' AND NOT gone THEN
        DELETE FROM sluice.quarantine WHERE migration = {name} AND key = jsonb_build_array({new_key});
        {refuse_second}
    END IF;
    IF TG_OP <> 'INSERT' AND NOT EXISTS (SELECT FROM {live_table} AS s WHERE {live_has_old}) THEN
        DELETE FROM sluice.quarantine WHERE migration = {name} AND key = jsonb_build_array({old_key});
    END IF;

-- name: refuse_second
-- The one before it is in quarantine, so no key of the old table refuses this one.
IF FOUND AND (SELECT count(*) FROM {live_table} AS s WHERE {live_has_new}) > 1 THEN
            {duplicate}
        END IF;

-- name: duplicate
RAISE unique_violation USING MESSAGE = 'duplicate key: the table before the cutover has each ' || {old_names_text} || ' once';

-- name: lossless
-- What would come back as another value does not fit.
IF {loses} THEN
            RAISE data_exception;
        END IF;

-- name: lossless_new
IF TG_OP <> 'DELETE' THEN
        {lossless}
    END IF;

-- name: loses
-- There and back: what the changed columns would be, made of what they become on the other side.
(SELECT {differ} FROM (SELECT {made}) AS made)

-- name: rescue_forward
-- The row's new state does not fit: neither may its old one stay. Never its values in the reason. It may have been the old key that
-- did not: then it was never there, and the new state is tried by itself.
EXCEPTION WHEN {misfit} THEN
        IF TG_OP <> 'INSERT' THEN
            BEGIN
                IF NOT ({rekeyed}) OR NOT EXISTS (SELECT FROM {source} AS s WHERE {live_has_old}) THEN
                    DELETE FROM {target} WHERE {matches_old};
                END IF;
            EXCEPTION WHEN {misfit} THEN
                NULL;
            END;
        END IF;
        IF TG_OP <> 'DELETE' AND NOT gone THEN
            BEGIN
        {put}
            EXCEPTION WHEN {misfit} THEN
                INSERT INTO sluice.quarantine (migration, key, reason)
                VALUES ({name}, jsonb_build_array({new_key}), 'a changed column cannot hold it (SQLSTATE ' || SQLSTATE || ')')
                ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason;
            END;
        END IF;
    END;

-- name: misfit
data_exception OR integrity_constraint_violation OR undefined_column OR undefined_function OR datatype_mismatch

-- name: create_reverse
-- After the cutover the old table follows the new one. A duplicate raises, as it did before.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off {pins} AS $sluice$
#variable_conflict use_column
DECLARE
    live {target};
    gone boolean := false; -- where it is, nothing is left to do here
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        BEGIN
            TRUNCATE {source};
        EXCEPTION WHEN object_in_use THEN
            DELETE FROM {source};
        END;
        DELETE FROM sluice.quarantine WHERE migration = {name};
        RETURN NULL;
    END IF;
    {old_snapshot}
    {latest}
    {clear}
    {guard}
    {lossless_new}
    IF TG_OP = 'UPDATE' AND NOT ({moves}) THEN
        {update}
        IF FOUND THEN
            RETURN NULL;
        END IF;
    ELSIF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND NOT EXISTS (SELECT FROM {target} AS s WHERE {live_has_old})) THEN
        DELETE FROM {source} WHERE {matches_old};
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO {source} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({new_values}) ON CONFLICT ({old_names}) DO NOTHING;
        IF NOT FOUND THEN
            -- The old table still has what had this key before: a row that moved to another partition, which is a delete and an
            -- insert, or one that gave its key up. Where there is one row of that key by now, it is this one; where there are two,
            -- the second is the duplicate that the old table never let in.
            IF (SELECT count(*) FROM {target} AS s WHERE {live_has_new}) = 1 THEN
                {update_new}
                IF FOUND THEN
                    RETURN NULL;
                END IF;
            END IF;
            INSERT INTO {source} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({new_values});
        END IF;
    END IF;
    {rescue}
    RETURN NULL;
END $sluice$

-- name: update_source
UPDATE {source} SET {assignments} WHERE {matches};

-- name: rescue_reverse
-- The old table cannot hold it, and must not keep what was there before: cutting back is refused while such a row is left.
EXCEPTION WHEN data_exception OR not_null_violation OR check_violation OR undefined_column OR undefined_function OR datatype_mismatch THEN
        IF TG_OP <> 'INSERT' AND NOT EXISTS (SELECT FROM {target} AS s WHERE {live_has_old}) THEN
            DELETE FROM {source} WHERE {matches_old};
        END IF;
        IF TG_OP <> 'DELETE' THEN
            IF (SELECT count(*) FROM {target} AS s WHERE {live_has_new}) > 1 THEN
                {duplicate}
            END IF;
            DELETE FROM {source} WHERE {matches_new};
            INSERT INTO sluice.quarantine (migration, key, reason)
            VALUES ({name}, jsonb_build_array({new_key}), 'the old table cannot hold it (SQLSTATE ' || SQLSTATE || ')')
            ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason;
        END IF;
    END;

-- name: create_row_trigger
CREATE TRIGGER {trigger} AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()

-- name: create_change_trigger
CREATE TRIGGER {trigger} AFTER UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()

-- name: create_insert_trigger
CREATE TRIGGER {trigger} AFTER INSERT ON {table} REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION {function}()

-- name: create_truncate_trigger
CREATE TRIGGER {trigger} AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()

-- name: sign_function
-- Whose form it has: another version of ours makes it anew where it would make another one.
COMMENT ON FUNCTION {function}() IS {signature}

-- name: read_signature
SELECT obj_description(tgfoid, 'pg_proc') AS signature FROM pg_trigger
WHERE tgrelid = %(oid)s::oid AND NOT tgisinternal AND tgname = %(name)s

-- name: enable_always
-- Also for sessions that replay (session_replication_role = replica).
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}

-- name: drop_trigger
DROP TRIGGER IF EXISTS {trigger} ON {table}

-- name: drop_function
DROP FUNCTION IF EXISTS {function}()

-- name: find_trigger
-- `events` is of pg_trigger's bits: 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE. Each partition has a trigger of its own, too.
SELECT tgname AS name, tgtype & 60 AS events,
       tgenabled = 'A' AND NOT EXISTS (
           SELECT FROM pg_trigger AS own
           WHERE own.tgrelid = ANY ((SELECT sluice.parts(%(oid)s::oid))::oid[]) AND own.tgname = t.tgname AND own.tgenabled <> 'A') AS always
FROM pg_trigger AS t
WHERE tgrelid = %(oid)s::oid AND NOT tgisinternal AND tgname = ANY (%(names)s)

-- name: count_earlier_triggers
-- AFTER triggers fire in byte order of their names: one that fires earlier could write the row again behind our back.
SELECT count(*) AS triggers FROM pg_trigger
WHERE tgrelid = %(oid)s::oid AND NOT tgisinternal AND tgname < %(name)s COLLATE "C"
