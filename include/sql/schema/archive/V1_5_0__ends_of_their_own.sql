-- A month that somebody else dropped comes to an end: dropped, where the vault has it proven; lost, where a person says that it is.

ALTER TABLE sluice_archive.month ADD COLUMN note text;
COMMENT ON COLUMN sluice_archive.month.note IS
    'Of a month that did not go the usual way: that somebody else dropped it, or why nobody is to look for it any more.';
ALTER TABLE sluice_archive.month DROP CONSTRAINT month_state_check, ADD CONSTRAINT month_state_check CHECK (state IN
    ('eligible', 'detaching', 'detached', 'exported', 'verified', 'cooling', 'dropped', 'restored', 'lost'));

CREATE OR REPLACE FUNCTION sluice_archive.keep_order() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a month of the archive''s ledger is not deleted: it says where % is', OLD.partition_name;
    ELSIF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'eligible' THEN
            RAISE EXCEPTION '% begins as eligible, not as %', NEW.partition_name, NEW.state;
        END IF;
    ELSIF (OLD.parent_schema, OLD.parent_name, OLD.lower_bound, OLD.upper_bound)
          IS DISTINCT FROM (NEW.parent_schema, NEW.parent_name, NEW.lower_bound, NEW.upper_bound) THEN
        RAISE EXCEPTION '% stays the month that it is', OLD.partition_name;
    ELSIF OLD.state <> NEW.state AND NOT (OLD.state || ' ' || NEW.state) = ANY (ARRAY[
            'eligible detaching', 'detaching detached', 'detached exported', 'exported verified', 'verified cooling', 'cooling dropped',
            'eligible detached', 'restored detached', 'exported detached', 'verified detached', 'cooling detached',
            'detaching eligible', 'detached eligible', 'exported eligible', 'verified eligible', 'cooling eligible', 'restored eligible',
            'detached restored', 'exported restored', 'verified restored', 'cooling restored', 'dropped restored', 'dropped eligible',
            'verified dropped', 'restored dropped', 'lost eligible']) AND NOT (NEW.state = 'lost' AND OLD.state <> 'dropped') THEN
        RAISE EXCEPTION '% is %: it does not become %', OLD.partition_name, OLD.state, NEW.state;
    ELSIF OLD.state = 'dropped' AND NEW.state = 'eligible' AND NEW.partition_oid = OLD.partition_oid THEN
        RAISE EXCEPTION '% is dropped: it begins anew as the partition that holds its late rows', OLD.partition_name;
    ELSIF NEW.state = 'detaching' AND OLD.state = 'eligible' AND NEW.held_because IS NOT NULL THEN
        RAISE EXCEPTION '% is held: %', OLD.partition_name, NEW.held_because;
    ELSIF NEW.state IN ('dropped', 'lost') AND OLD.state <> NEW.state THEN
        IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
            RAISE EXCEPTION '% is dropped by sluice_archive.drop_month alone', OLD.partition_name;
        ELSIF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                      WHERE (n.nspname, c.relname) = (OLD.partition_schema, OLD.partition_name)
                         OR NEW.state = 'dropped' AND c.oid = OLD.partition_oid) THEN
            RAISE EXCEPTION '% is there: it is dropped by sluice_archive.drop_month alone', OLD.partition_name;
        ELSIF NEW.state = 'dropped' AND (OLD.verified_at IS NULL OR (OLD.rows_read, OLD.hash_read) IS DISTINCT FROM (OLD.rows, OLD.hash)) THEN
            RAISE EXCEPTION '% was never read back out of the vault: it is not dropped, but lost', OLD.partition_name;
        ELSIF NEW.state = 'lost' AND coalesce(NEW.note, '') !~ '\S' THEN
            RAISE EXCEPTION 'say why nobody is to look for % any more', OLD.partition_name;
        END IF;
    END IF;
    -- What was dropped stays named while its late rows are on their way, until all of it is in the database again.
    NEW.supplement_of := CASE
        WHEN TG_OP = 'INSERT' OR OLD.state = 'restored' AND NEW.state NOT IN ('restored', 'lost') THEN NULL
        WHEN OLD.state = 'dropped' AND NEW.state = 'eligible' THEN jsonb_build_object('rows', OLD.rows, 'hash', OLD.hash,
            'key', OLD.manifest, 'sha256', OLD.manifest_sha256, 'version', OLD.manifest_version)
        ELSE OLD.supplement_of END;
    IF NEW.state IN ('eligible', 'detaching', 'detached') THEN
        NEW.rows := NULL; NEW.hash := NULL; NEW.rows_read := NULL; NEW.hash_read := NULL; NEW.verified_at := NULL;
        NEW.manifest := NULL; NEW.manifest_sha256 := NULL; NEW.manifest_version := NULL; NEW.expires_at := NULL;
        NEW.cooling := NULL;
    ELSIF OLD.state = 'detached' THEN
        NEW.rows_read := NULL; NEW.hash_read := NULL; NEW.verified_at := NULL;
    ELSIF (OLD.rows, OLD.hash, OLD.manifest, OLD.manifest_sha256, OLD.manifest_version)
          IS DISTINCT FROM (NEW.rows, NEW.hash, NEW.manifest, NEW.manifest_sha256, NEW.manifest_version) THEN
        RAISE EXCEPTION '% is % as it was exported: what it was exported as stays', OLD.partition_name, OLD.state;
    ELSIF NEW.state = 'verified' AND OLD.state = 'exported' THEN
        IF (NEW.rows_read, NEW.hash_read) IS DISTINCT FROM (NEW.rows, NEW.hash) THEN
            RAISE EXCEPTION '%: % rows (%) were read back of % (%)', OLD.partition_name, NEW.rows_read, NEW.hash_read, NEW.rows, NEW.hash;
        END IF;
        NEW.verified_at := clock_timestamp();
    ELSE
        NEW.rows_read := OLD.rows_read; NEW.hash_read := OLD.hash_read; NEW.verified_at := OLD.verified_at;
    END IF;
    IF NEW.state = 'exported' AND (NEW.rows IS NULL OR NEW.hash IS NULL OR NEW.manifest IS NULL OR NEW.manifest_sha256 IS NULL) THEN
        RAISE EXCEPTION '% is exported with a count, a hash and a manifest', NEW.partition_name;
    END IF;
    IF NEW.state NOT IN ('dropped', 'lost') THEN
        NEW.note := NULL;
    END IF;
    IF TG_OP = 'INSERT' OR OLD.state <> NEW.state THEN
        NEW.since := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION sluice_archive.forget_month(partition text, why text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE sluice_archive.month m SET state = 'lost', note = why
    WHERE concat_ws('.', m.partition_schema, m.partition_name) = partition AND m.state NOT IN ('dropped', 'lost');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the archive waits for no month in %: SELECT * FROM sluice_archive.month names those it knows', partition;
    END IF;
    RETURN format('%s is not looked for any more: %s', partition, why);
END $$;
REVOKE ALL ON FUNCTION sluice_archive.forget_month FROM PUBLIC;
COMMENT ON FUNCTION sluice_archive.forget_month IS
    'Says that a month''s table is gone for good, though the vault does not have it: by who owns the ledger, and with a reason.';

CREATE OR REPLACE VIEW sluice_archive.status AS
SELECT concat_ws('.', parent_schema, parent_name) AS "table", lower_bound, upper_bound,
       CASE WHEN held_because IS NULL THEN state ELSE 'held' END AS state, held_because, rows, verified_at,
       (verified_at AT TIME ZONE 'UTC' + cooling) AT TIME ZONE 'UTC' AS cools_until, expires_at, manifest, since, NULL::text AS copy, note
FROM sluice_archive.month
UNION ALL
SELECT of_table, lower_bound, upper_bound, 'copy', NULL, rows, made_at, NULL, expires_at, manifest, made_at, concat_ws('.', copy_schema, copy_name),
       NULL
FROM sluice_archive.copy WHERE dropped_at IS NULL;
