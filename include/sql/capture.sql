-- Capture by trigger: atomic with the write, so there is no lag, and one snapshot sees both tables equal.

-- name: create_forward
-- Keyed on OLD, so that a moved key or partition key leaves nothing behind. What the target cannot hold is quarantined:
-- a user's write never fails for us.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres' AS $sluice$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE {target};
        DELETE FROM sluice.quarantine WHERE migration = {name};
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND ({old_key}) IS DISTINCT FROM ({new_key})) THEN
        IF OLD.{column} >= {lower} AND OLD.{column} < {upper} THEN
            -- A snapshot older than the copy cannot see it and would leave it behind: here the conflict raises 40001, which
            -- users of these isolations repeat by agreement.
            IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
                INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({old_values}) ON CONFLICT ({key}) DO NOTHING;
            END IF;
            DELETE FROM {target} WHERE {matches_old};
        ELSE
            DELETE FROM sluice.quarantine WHERE migration = {name} AND key = jsonb_build_array({old_source_key});
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF NEW.{column} >= {lower} AND NEW.{column} < {upper} THEN
            INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({new_values})
            ON CONFLICT ({key}) DO UPDATE SET {assignments};
        ELSE
            INSERT INTO sluice.quarantine (migration, key, reason)
            VALUES ({name}, jsonb_build_array({new_source_key}), 'outside the partitions: ' || coalesce(NEW.{column}::text, 'NULL'))
            ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason;
        END IF;
    END IF;
    RETURN NULL;
END $sluice$

-- name: create_reverse
-- After the cutover the old table follows the new one. The INSERT is plain: a duplicate raises, as it did before.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres' AS $sluice$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {source} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({new_values});
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE {source} SET {assignments} WHERE {matches_old};
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM {source} WHERE {matches_old};
    ELSE
        TRUNCATE {source};
    END IF;
    RETURN NULL;
END $sluice$

-- name: create_row_trigger
CREATE TRIGGER {trigger} AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()

-- name: create_truncate_trigger
CREATE TRIGGER {trigger} AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()

-- name: enable_always
-- Also for sessions that replay (session_replication_role = replica).
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}

-- name: drop_trigger
DROP TRIGGER IF EXISTS {trigger} ON {table}

-- name: drop_function
DROP FUNCTION IF EXISTS {function}()

-- name: find_trigger
SELECT tgname AS name, tgenabled = 'A' AS always FROM pg_trigger
WHERE tgrelid = %(oid)s::oid AND NOT tgisinternal AND tgname = ANY (%(names)s)

-- name: count_earlier_triggers
-- AFTER triggers fire in byte order of their names: one that fires earlier could write the row again behind our back.
SELECT count(*) AS triggers FROM pg_trigger
WHERE tgrelid = %(oid)s::oid AND NOT tgisinternal AND tgname < %(name)s COLLATE "C"
