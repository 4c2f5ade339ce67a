-- What a proof stands on: capture as it was when the comparison began, and every partition that the target was made with.

ALTER TABLE sluice.migration ADD COLUMN verified_under text, ADD COLUMN target_parts oid[],
    ADD COLUMN renewal_due boolean NOT NULL DEFAULT false;
ALTER TABLE sluice.compared ADD COLUMN under text;
COMMENT ON COLUMN sluice.migration.verified_at IS 'When the comparison that counts as proof began: no look that it trusts is older.';
COMMENT ON COLUMN sluice.migration.verified_under IS 'sluice.capture_state as that comparison began, or at the cutover: under another one it proves nothing.';
COMMENT ON COLUMN sluice.migration.renewal_due IS 'It was cut back, and changed columns have not all been made anew from the old ones.';
COMMENT ON COLUMN sluice.migration.target_parts IS 'The target and its partitions as they were made, or as the last swap found them.';

-- Whoever leaves quarantine is in the other table from that transaction on, and not before: older snapshots would miss it there.
CREATE TABLE sluice.released (
    migration text NOT NULL REFERENCES sluice.migration ON DELETE CASCADE,
    by xid8 NOT NULL DEFAULT pg_current_xact_id());
CREATE INDEX released_of ON sluice.released (migration);
COMMENT ON TABLE sluice.released IS 'Transactions since the last swap that took a row out of quarantine: a swap waits for snapshots that are older.';
CREATE FUNCTION sluice.release_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$ BEGIN
    INSERT INTO sluice.released (migration) VALUES (OLD.migration);
    RETURN NULL;
END $$;
CREATE TRIGGER released AFTER DELETE ON sluice.quarantine FOR EACH ROW EXECUTE FUNCTION sluice.release_row();
ALTER TABLE sluice.quarantine ENABLE ALWAYS TRIGGER released;

-- What cannot be read again from the other table is kept as it came: a stream's image, as text, and its place among those of its key.
ALTER TABLE sluice.quarantine ADD COLUMN image text, ADD COLUMN token text COLLATE "C";
COMMENT ON COLUMN sluice.quarantine.image IS 'The item as it was refused, in its own service''s form.';
COMMENT ON COLUMN sluice.quarantine.token IS 'epoch#sequence of the image: a younger one that fits takes the note away, an older one never replaces it.';

ALTER TABLE sluice.chunk ADD COLUMN rows_skipped bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN sluice.chunk.rows_skipped IS 'Of the rows that were read, those that the YAML says are not migrated.';

-- How far a stream has been read. Its changes commit with it, so each counts once.
CREATE TABLE sluice.place (
    migration  text NOT NULL REFERENCES sluice.migration ON DELETE CASCADE,
    epoch      integer NOT NULL,
    shard      text NOT NULL,
    stream     text NOT NULL,
    position   text,
    read_at    timestamptz NOT NULL DEFAULT now(),
    done       boolean NOT NULL DEFAULT false,
    seen       bigint NOT NULL DEFAULT 0,
    written    bigint NOT NULL DEFAULT 0,
    older      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (migration, epoch, shard));
COMMENT ON TABLE sluice.place IS 'How far each shard of a stream has been read, moved on in the transaction of the rows that it told of.';

-- Rows that applications deleted after the cutover, where nothing leads back: what is gone there is not missing.
CREATE TABLE sluice.taken (
    migration  text NOT NULL REFERENCES sluice.migration ON DELETE CASCADE,
    origin     text NOT NULL);
CREATE INDEX taken_of ON sluice.taken (migration, origin);
COMMENT ON TABLE sluice.taken IS 'Source keys of rows that an application deleted since the cutover.';
CREATE FUNCTION sluice.take_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$ BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO sluice.taken (migration, origin) SELECT TG_ARGV[0], OLD._from WHERE OLD._from IS NOT NULL;
        RETURN OLD;
    END IF;
    -- Every write of ours changes the token: who leaves it is an application, and the row is its own from now on.
    IF NEW._token IS NOT DISTINCT FROM OLD._token THEN
        NEW._token := NULL;
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION sluice.take_row IS 'After a cutover without a way back: notes which rows applications have changed since.';

-- By the catalogue alone: pg_partition_tree would lock each of them until the end of the chunk that asks.
CREATE FUNCTION sluice.parts(relation oid) RETURNS oid[]
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    WITH RECURSIVE tree (part) AS (
        SELECT relation UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.part WHERE NOT i.inhdetachpending)
    SELECT array_agg(part ORDER BY part) FROM tree
$$;
COMMENT ON FUNCTION sluice.parts IS 'A table and all its partitions, if it has any.';

-- A partition has triggers of its own; one that came, or was away for a moment, may have brought rows that nobody was told of.
CREATE FUNCTION sluice.capture_state(migration text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    WITH tree (part) AS (
        SELECT unnest(sluice.parts(root)) FROM sluice.migration m, unnest(ARRAY[m.source_oid, m.target_oid]) AS root WHERE m.name = migration)
    SELECT md5(concat_ws(E'\n',
        (SELECT string_agg(concat_ws(' ', t.tgrelid, t.tgname, t.tgenabled, t.xmin, p.xmin), ', ' ORDER BY t.tgrelid, t.tgname)
         FROM tree JOIN pg_trigger t ON t.tgrelid = part JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgname LIKE '!sluice%'),
        (SELECT string_agg(concat_ws(' ', i.inhrelid, i.xmin), ', ' ORDER BY i.inhrelid) FROM tree JOIN pg_inherits i ON i.inhrelid = part)))
$$;
COMMENT ON FUNCTION sluice.capture_state IS
    'Our triggers and the partitions, and who last touched them: another hash once one was switched off and on again, or made anew.';

-- Unique indexes count from now on. What had drifted already stays so.
CREATE TEMPORARY TABLE unchanged ON COMMIT DROP AS
SELECT name, source_fingerprint = sluice.fingerprint(source_oid) AS source, target_fingerprint = sluice.fingerprint(target_oid) AS target
FROM sluice.migration;

CREATE OR REPLACE FUNCTION sluice.fingerprint(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT md5(concat_ws(E'\n',
        (SELECT concat_ws('|', relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner), relacl::text) FROM pg_class WHERE oid = relation),
        (SELECT string_agg(concat_ws('|', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                                     a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attacl::text), E'\n' ORDER BY a.attnum)
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped),
        -- Validating a constraint is no drift.
        (SELECT string_agg(concat_ws('|', contype, conname, regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '')), E'\n' ORDER BY conname)
         FROM pg_constraint WHERE conrelid = relation),
        (SELECT string_agg(concat_ws('|', polname, polcmd, polpermissive, polroles::text, pg_get_expr(polqual, polrelid),
                                     pg_get_expr(polwithcheck, polrelid)), E'\n' ORDER BY polname)
         FROM pg_policy WHERE polrelid = relation),
        -- Our own triggers come and go with the phases.
        (SELECT string_agg(concat_ws('|', tgname, tgenabled, tgfoid), E'\n' ORDER BY tgname)
         FROM pg_trigger WHERE tgrelid = relation AND NOT tgisinternal AND tgname NOT LIKE '!sluice%'),
        -- A unique index binds as a constraint does. One that is being built does not yet.
        (SELECT string_agg(pg_get_indexdef(indexrelid), E'\n' ORDER BY indexrelid::regclass::text)
         FROM pg_index WHERE indrelid = relation AND indisunique AND indisvalid),
        -- What is written by way of a parent fires no trigger for statements here, nor does what is written to a child.
        (SELECT string_agg(concat_ws('<', i.inhparent, i.inhrelid), E'\n' ORDER BY i.inhparent, i.inhrelid)
         FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
         WHERE i.inhrelid = relation OR (i.inhparent = relation AND p.relkind = 'r')),
        -- What a subscription applies fires no triggers for statements.
        (SELECT string_agg(srsubid::text, E'\n' ORDER BY srsubid) FROM pg_subscription_rel WHERE srrelid = relation)))
$$;
COMMENT ON FUNCTION sluice.fingerprint IS
    'What must not drift unseen: columns, constraints, unique indexes, policies, grants, owner, parents, subscriptions and other people''s triggers.';

UPDATE sluice.migration m SET
    source_fingerprint = CASE WHEN u.source THEN sluice.fingerprint(source_oid) ELSE source_fingerprint END,
    target_fingerprint = CASE WHEN u.target THEN sluice.fingerprint(target_oid) ELSE target_fingerprint END
FROM unchanged u WHERE u.name = m.name;

-- Before its chunks are laid out nobody knows how long a backfill will take.
CREATE OR REPLACE VIEW sluice.status AS
SELECT m.name AS migration, m.phase, m.epoch, m.source_name AS source, m.target_name AS target,
       c.chunks, c.done AS chunks_done, c.rows_written, m.rows_estimated,
       round(c.rows_written / nullif(extract(epoch FROM c.last_done - c.first_done), 0)) AS rows_per_second,
       CASE WHEN c.chunks = 0 THEN NULL WHEN c.done = c.chunks THEN interval '0'
            ELSE (c.last_done - c.first_done) * ((c.chunks - c.done)::double precision / nullif(c.done, 0)) END AS eta,
       (SELECT count(*) FROM sluice.quarantine q WHERE q.migration = m.name) AS quarantined,
       m.verified_at, m.cut_over_at, m.changed_at
FROM sluice.migration m
LEFT JOIN LATERAL (
    SELECT count(*) AS chunks, count(done_at) AS done, coalesce(sum(rows_written), 0) AS rows_written,
           min(done_at - seconds * interval '1 second') AS first_done, max(done_at) AS last_done
    FROM sluice.chunk c WHERE c.migration = m.name) c ON true;

-- Capture may be of three triggers now.
CREATE OR REPLACE FUNCTION sluice.abort(migration text, lock_wait interval DEFAULT '2 seconds') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    m sluice.migration;
    own oid;
    emptied oid;
    ours name;
BEGIN
    PERFORM set_config('lock_timeout', (extract(epoch FROM lock_wait) * 1000)::int::text, true);
    PERFORM pg_advisory_xact_lock(sluice.fence(migration));
    SELECT * INTO m FROM sluice.migration x WHERE x.name = migration;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no migration % in this database; there are: %', migration,
            coalesce((SELECT string_agg(x.name, ', ' ORDER BY x.name) FROM sluice.migration x), 'none');
    ELSIF m.phase = 'planned' THEN
        RETURN format('%s is planned: there is nothing to take back', migration);
    ELSIF m.phase = 'retired' THEN
        RAISE EXCEPTION '% is retired: the old table no longer follows, so there is no way back', migration;
    ELSIF m.phase = 'cut_over' THEN
        RAISE EXCEPTION '% is cut_over: abort is for before the cutover. Cut back first: ./sluice run migrate__% --conf ''{"to_phase": "verified"}''',
            migration, migration;
    END IF;
    FOR ours IN SELECT tgname FROM pg_trigger WHERE tgrelid = m.source_oid AND NOT tgisinternal AND tgname LIKE '!sluice%' LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', ours, m.source_oid::regclass);
    END LOOP;
    -- Looked for first: IF EXISTS would tell who aborts of each that is not there.
    FOR ours IN SELECT proname FROM pg_proc WHERE pronamespace = 'sluice'::regnamespace
                AND proname IN ('capture__' || migration, 'reverse__' || migration) LOOP
        EXECUTE format('DROP FUNCTION sluice.%I()', ours);
    END LOOP;
    -- The target is a copy that nobody reads before the cutover: dropping it loses nothing.
    SELECT relnamespace INTO own FROM pg_class WHERE oid = m.target_oid;
    IF FOUND THEN
        SELECT c.relnamespace INTO emptied FROM pg_partition_tree(m.target_oid) t JOIN pg_class c ON c.oid = t.relid
        WHERE c.relnamespace <> own LIMIT 1;
        EXECUTE format('DROP TABLE %s', m.target_oid::regclass);
        -- The schema of the partitions, unless somebody keeps anything in it, or it is not ours.
        IF EXISTS (SELECT FROM pg_namespace n WHERE n.oid = emptied AND pg_has_role(n.nspowner, 'USAGE')
                   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)) THEN
            EXECUTE format('DROP SCHEMA %s', emptied::regnamespace);
        END IF;
    END IF;
    DELETE FROM sluice.chunk c WHERE c.migration = m.name;
    DELETE FROM sluice.quarantine q WHERE q.migration = m.name;
    DELETE FROM sluice.released r WHERE r.migration = m.name;
    DELETE FROM sluice.compared r WHERE r.migration = m.name;
    UPDATE sluice.migration x SET phase = 'planned', epoch = x.epoch + 1, source_oid = NULL, target_oid = NULL,
        verified_at = NULL, cut_over_at = NULL, carried = NULL, changed_at = clock_timestamp() WHERE x.name = m.name;
    RETURN format('%s is planned again: capture is off and its copy is gone; %s was not touched', migration, m.source_name);
END $$;

-- Workers of 1.0 do not look at releases before they write: the next epoch fences them off.
UPDATE sluice.migration SET epoch = epoch + 1 WHERE phase NOT IN ('planned', 'retired');
UPDATE sluice.migration SET verified_under = sluice.capture_state(name) WHERE phase = 'cut_over';
UPDATE sluice.migration SET target_parts = sluice.parts(target_oid) WHERE target_oid IS NOT NULL;
