-- The archive's ledger: one row a month of a table, beside the data. What drops a month is a function in here, and nothing else.

CREATE SCHEMA IF NOT EXISTS sluice_archive;

CREATE TABLE sluice_archive.month (
    parent_schema     text NOT NULL,
    parent_name       text NOT NULL,
    lower_bound       timestamptz NOT NULL,
    upper_bound       timestamptz NOT NULL,
    bounds            text NOT NULL,
    partition_schema  text NOT NULL,
    partition_name    text NOT NULL,
    partition_oid     oid NOT NULL,
    state             text NOT NULL CHECK (state IN
                      ('eligible', 'detaching', 'detached', 'exported', 'verified', 'cooling', 'dropped', 'restored')),
    held_because      text,
    rows              bigint,
    hash              text,
    manifest          text,
    manifest_sha256   text,
    manifest_version  text,
    rows_read         bigint,
    hash_read         text,
    verified_at       timestamptz,
    cooling           interval,
    expires_at        timestamptz,
    since             timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (parent_schema, parent_name, lower_bound, upper_bound)
);
COMMENT ON TABLE sluice_archive.month IS
    'Where each month of a table stands on its way into the vault. A month that is older than time is written as of the year 1.';
COMMENT ON COLUMN sluice_archive.month.held_because IS 'A legal hold: the month is not begun, and nothing drops it.';
COMMENT ON COLUMN sluice_archive.month.rows_read IS 'What was counted in the stored objects when they were read back; hash_read as well.';
COMMENT ON COLUMN sluice_archive.month.expires_at IS 'Until then a month that was brought back stays.';

-- Which step may follow which. What a month was proven by goes with the proof, and no time is anybody's to write.
CREATE FUNCTION sluice_archive.keep_order() RETURNS trigger
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
            'detached restored', 'exported restored', 'verified restored', 'cooling restored', 'dropped restored']) THEN
        RAISE EXCEPTION '% is %: it does not become %', OLD.partition_name, OLD.state, NEW.state;
    ELSIF NEW.state = 'detaching' AND OLD.state = 'eligible' AND NEW.held_because IS NOT NULL THEN
        RAISE EXCEPTION '% is held: %', OLD.partition_name, NEW.held_because;
    ELSIF NEW.state = 'dropped' AND OLD.state <> 'dropped' AND NOT pg_has_role(current_user,
              (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION '% is dropped by sluice_archive.drop_month alone', OLD.partition_name;
    END IF;
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

CREATE TRIGGER keep_order BEFORE INSERT OR UPDATE OR DELETE ON sluice_archive.month
FOR EACH ROW EXECUTE FUNCTION sluice_archive.keep_order();
ALTER TABLE sluice_archive.month ENABLE ALWAYS TRIGGER keep_order;

-- The hash is the portable one (include/sql/portable.sql): said in here too, so that no caller gives the guard its measure.
CREATE FUNCTION sluice_archive.count_and_hash(relation oid, OUT rows bigint, OUT hash text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET row_security = off
SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    texts text;
BEGIN
    SELECT string_agg(format('coalesce(octet_length((t.%1$I)::text)::text || '':'' || (t.%1$I)::text, ''-'')', attname), ' || ' ORDER BY attnum)
    INTO texts FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('SELECT count(*), coalesce(sum((''x'' || left(md5(%s), 16))::bit(64)::bigint), 0)::text FROM %s AS t', texts, relation::regclass)
    INTO rows, hash;
END $$;
COMMENT ON FUNCTION sluice_archive.count_and_hash IS 'The rows of a table and the sum of their portable hashes. A role that row-level security filters is refused.';

CREATE FUNCTION sluice_archive.drop_month(of_schema text, of_table text, lower_of timestamptz, upper_of timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off AS $$
DECLARE
    m sluice_archive.month;
    named text;
    counted record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a month is not dropped in a % transaction: it would not see the newest rows', current_setting('transaction_isolation');
    END IF;
    SELECT * INTO m FROM sluice_archive.month x
    WHERE (x.parent_schema, x.parent_name, x.lower_bound, x.upper_bound) = (of_schema, of_table, lower_of, upper_of) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the archive knows no month of %.% from % to %', of_schema, of_table, lower_of, upper_of;
    END IF;
    named := format('%I.%I', m.partition_schema, m.partition_name);
    IF m.state = 'dropped' THEN
        RETURN format('%s was dropped at %s', named, m.since);
    ELSIF m.held_because IS NOT NULL THEN
        RAISE EXCEPTION '% is held: %', named, m.held_because;
    ELSIF m.state <> 'cooling' THEN
        RAISE EXCEPTION '% is %, and only what has cooled is dropped', named, m.state;
    ELSIF m.verified_at IS NULL OR (m.rows, m.hash) IS DISTINCT FROM (m.rows_read, m.hash_read) THEN
        RAISE EXCEPTION '% was not read back out of the vault', named;
    ELSIF m.cooling IS NULL THEN
        RAISE EXCEPTION '%: nobody said how long it cools', named;
    ELSIF clock_timestamp() < m.verified_at + m.cooling THEN
        RAISE EXCEPTION '% cools until %', named, m.verified_at + m.cooling;
    ELSIF to_regclass(named) IS DISTINCT FROM m.partition_oid::regclass THEN
        RAISE EXCEPTION '% is not the table that was archived', named;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', named);
    IF EXISTS (SELECT FROM pg_inherits WHERE m.partition_oid IN (inhrelid, inhparent)) OR to_regclass(named) IS DISTINCT FROM m.partition_oid::regclass THEN
        RAISE EXCEPTION '% belongs to another table again: it is not dropped', named;
    END IF;
    SELECT * INTO counted FROM sluice_archive.count_and_hash(m.partition_oid);
    IF (counted.rows, counted.hash) IS DISTINCT FROM (m.rows, m.hash) THEN
        RAISE EXCEPTION '% has % rows (%) and was archived with % (%): it was written since. It is not dropped',
            named, counted.rows, counted.hash, m.rows, m.hash;
    END IF;
    EXECUTE format('DROP TABLE %s', named);
    UPDATE sluice_archive.month x SET state = 'dropped'
    WHERE (x.parent_schema, x.parent_name, x.lower_bound, x.upper_bound) = (of_schema, of_table, lower_of, upper_of);
    RETURN format('%s was dropped: %s rows', named, counted.rows);
END $$;
REVOKE ALL ON FUNCTION sluice_archive.drop_month FROM PUBLIC;
COMMENT ON FUNCTION sluice_archive.drop_month IS
    'The one way in which a month goes: it counts and hashes the month again under lock, and wants it read back, cooled and not held.';

CREATE VIEW sluice_archive.status AS
SELECT concat_ws('.', parent_schema, parent_name) AS "table", lower_bound, upper_bound,
       CASE WHEN held_because IS NULL THEN state ELSE 'held' END AS state, held_because, rows, verified_at,
       verified_at + cooling AS cools_until, expires_at, manifest, since
FROM sluice_archive.month;
COMMENT ON VIEW sluice_archive.status IS 'Where each month stands, for psql: SELECT * FROM sluice_archive.status;';
