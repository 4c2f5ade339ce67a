-- Rows that come late to a month that is gone: they take its way once more, as a supplement of what is in the vault already.

ALTER TABLE sluice_archive.month ADD COLUMN supplement_of jsonb;
COMMENT ON COLUMN sluice_archive.month.supplement_of IS
    'What was stored and dropped before, while late rows of the month are on their way or have followed: the manifest of these names it too.';

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
            'detached restored', 'exported restored', 'verified restored', 'cooling restored', 'dropped restored', 'dropped eligible']) THEN
        RAISE EXCEPTION '% is %: it does not become %', OLD.partition_name, OLD.state, NEW.state;
    ELSIF OLD.state = 'dropped' AND NEW.state = 'eligible' AND NEW.partition_oid = OLD.partition_oid THEN
        RAISE EXCEPTION '% is dropped: it begins anew as the partition that holds its late rows', OLD.partition_name;
    ELSIF NEW.state = 'detaching' AND OLD.state = 'eligible' AND NEW.held_because IS NOT NULL THEN
        RAISE EXCEPTION '% is held: %', OLD.partition_name, NEW.held_because;
    ELSIF NEW.state = 'dropped' AND OLD.state <> 'dropped' AND NOT pg_has_role(current_user,
              (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION '% is dropped by sluice_archive.drop_month alone', OLD.partition_name;
    END IF;
    -- What was dropped stays named while its late rows are on their way, until all of it is in the database again.
    NEW.supplement_of := CASE
        WHEN TG_OP = 'INSERT' OR OLD.state = 'restored' AND NEW.state <> 'restored' THEN NULL
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
    IF TG_OP = 'INSERT' OR OLD.state <> NEW.state THEN
        NEW.since := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
