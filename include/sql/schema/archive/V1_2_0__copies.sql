-- Copies of archived months: a table of its own each, out of the vault, which goes when its time is over. Nothing waits for one.

CREATE TABLE sluice_archive.copy (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    copy_schema       text NOT NULL,
    copy_name         text NOT NULL,
    copy_oid          oid NOT NULL,
    of_store          text NOT NULL,
    of_table          text NOT NULL,
    lower_bound       timestamptz NOT NULL,
    upper_bound       timestamptz NOT NULL,
    rows              bigint NOT NULL,
    hash              text NOT NULL,
    manifest          text NOT NULL,
    manifest_sha256   text NOT NULL,
    manifest_version  text,
    made_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at        timestamptz NOT NULL,
    dropped_at        timestamptz
);
COMMENT ON TABLE sluice_archive.copy IS 'The copies of archived months that were made in this database, of whatever store; those that went have dropped_at.';

CREATE FUNCTION sluice_archive.name_copy(manifest text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN 'A copy out of the archive, for a while: ' || manifest;
COMMENT ON FUNCTION sluice_archive.name_copy IS 'The comment of a copy: by it, and not by the ledger alone, a copy is told from a table of yours.';

CREATE FUNCTION sluice_archive.keep_copy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a copy of the archive''s ledger is not deleted: it says what became of %', OLD.copy_name;
    ELSIF TG_OP = 'INSERT' THEN
        IF obj_description(NEW.copy_oid, 'pg_class') IS DISTINCT FROM sluice_archive.name_copy(NEW.manifest) THEN
            RAISE EXCEPTION '% does not say of itself that it is a copy out of the archive', NEW.copy_name;
        END IF;
        NEW.made_at := clock_timestamp(); NEW.dropped_at := NULL;
    ELSIF to_jsonb(OLD) - '{expires_at,dropped_at}'::text[] <> to_jsonb(NEW) - '{expires_at,dropped_at}'::text[] THEN
        RAISE EXCEPTION '% stays the copy that it is', OLD.copy_name;
    ELSIF OLD.dropped_at IS NOT NULL THEN
        RAISE EXCEPTION '% went at %', OLD.copy_name, OLD.dropped_at;
    ELSIF NEW.dropped_at IS NOT NULL THEN
        IF EXISTS (SELECT FROM pg_class WHERE oid = NEW.copy_oid) THEN
            RAISE EXCEPTION '% is there: it goes by sluice_archive.drop_copy alone', OLD.copy_name;
        END IF;
        NEW.dropped_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_copy BEFORE INSERT OR UPDATE OR DELETE ON sluice_archive.copy
FOR EACH ROW EXECUTE FUNCTION sluice_archive.keep_copy();
ALTER TABLE sluice_archive.copy ENABLE ALWAYS TRIGGER keep_copy;

CREATE FUNCTION sluice_archive.drop_copy(which bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off AS $$
DECLARE
    k sluice_archive.copy;
    named text;
    counted record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a copy is not dropped in a % transaction: it would not see the newest rows', current_setting('transaction_isolation');
    END IF;
    SELECT * INTO k FROM sluice_archive.copy x WHERE x.id = which FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the archive knows no copy %', which;
    END IF;
    named := format('%I.%I', k.copy_schema, k.copy_name);
    IF k.dropped_at IS NOT NULL THEN
        RETURN format('%s was dropped at %s', named, k.dropped_at);
    ELSIF clock_timestamp() < k.expires_at THEN
        RAISE EXCEPTION '% stays until %', named, k.expires_at;
    ELSIF NOT EXISTS (SELECT FROM pg_class WHERE oid = k.copy_oid) THEN
        UPDATE sluice_archive.copy SET dropped_at = clock_timestamp() WHERE id = which;
        RETURN format('%s is gone: somebody else dropped it', named);
    ELSIF to_regclass(named) IS DISTINCT FROM k.copy_oid::regclass THEN
        RAISE EXCEPTION '% is called % by now: somebody keeps it', named, k.copy_oid::regclass;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', named);
    IF to_regclass(named) IS DISTINCT FROM k.copy_oid::regclass OR EXISTS (SELECT FROM pg_inherits WHERE k.copy_oid IN (inhrelid, inhparent))
       OR EXISTS (SELECT FROM sluice_archive.month m WHERE m.partition_oid = k.copy_oid AND m.state <> 'dropped')
       OR obj_description(k.copy_oid, 'pg_class') IS DISTINCT FROM sluice_archive.name_copy(k.manifest) THEN
        RAISE EXCEPTION '% is no copy any more: it belongs to a table, or its comment is another', named;
    END IF;
    SELECT * INTO counted FROM sluice_archive.count_and_hash(k.copy_oid);
    IF (counted.rows, counted.hash) IS DISTINCT FROM (k.rows, k.hash) THEN
        RAISE EXCEPTION '% has % rows (%) and came with % (%): it was written since', named, counted.rows, counted.hash, k.rows, k.hash;
    END IF;
    EXECUTE format('DROP TABLE %s', named);
    UPDATE sluice_archive.copy SET dropped_at = clock_timestamp() WHERE id = which;
    RETURN format('%s was dropped: a copy of %s rows', named, counted.rows);
END $$;
REVOKE ALL ON FUNCTION sluice_archive.drop_copy FROM PUBLIC;
COMMENT ON FUNCTION sluice_archive.drop_copy IS
    'The one way in which a copy goes by itself: its time is over, it is what the archive made, and under lock it holds what it came with.';

CREATE OR REPLACE VIEW sluice_archive.status AS
SELECT concat_ws('.', parent_schema, parent_name) AS "table", lower_bound, upper_bound,
       CASE WHEN held_because IS NULL THEN state ELSE 'held' END AS state, held_because, rows, verified_at,
       verified_at + cooling AS cools_until, expires_at, manifest, since, NULL::text AS copy
FROM sluice_archive.month
UNION ALL
SELECT of_table, lower_bound, upper_bound, 'copy', NULL, rows, made_at, NULL, expires_at, manifest, made_at, concat_ws('.', copy_schema, copy_name)
FROM sluice_archive.copy WHERE dropped_at IS NULL;
COMMENT ON VIEW sluice_archive.status IS 'Where each month stands, and which copies there are, for psql: SELECT * FROM sluice_archive.status;';
