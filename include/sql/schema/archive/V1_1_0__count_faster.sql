-- The same count and hash in half the time: each text is made once, and by parallel workers where the server has any to spare.

CREATE OR REPLACE FUNCTION sluice_archive.count_and_hash(relation oid, OUT rows bigint, OUT hash text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET row_security = off
SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    texts text;
    hashed text;
BEGIN
    SELECT string_agg(format('(t.%I)::text AS c%s', attname, attnum), ', ' ORDER BY attnum),
           string_agg(format('coalesce(octet_length(c%1$s)::text || '':'' || c%1$s, ''-'')', attnum), ' || ' ORDER BY attnum)
    INTO texts, hashed FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped;
    -- OFFSET keeps the planner from writing each text out twice again; as a plain 0 it would keep the workers away as well.
    EXECUTE format('SELECT count(*), coalesce(sum((''x'' || left(md5(%s), 16))::bit(64)::bigint), 0)::text FROM (SELECT %s FROM %s AS t OFFSET ''0'') AS x',
                   hashed, texts, relation::regclass)
    INTO rows, hash;
END $$;
