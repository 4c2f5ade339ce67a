-- Tables that are odd on purpose. Each part below a line `-- # name` is run by itself; one that this build of PostgreSQL
-- cannot make (no ICU, no such extension, an older release) is left out.

-- # types
CREATE SCHEMA odd;
CREATE TYPE odd.mood AS ENUM ('sad', 'ok', 'hap''py', 'Größe');
CREATE TYPE odd.place AS (street text, "No" int, at point);
CREATE DOMAIN odd.positive AS numeric CHECK (VALUE > 0);
CREATE DOMAIN odd.email AS text CHECK (VALUE ~ '@') NOT NULL;
CREATE DOMAIN odd.small_positive AS odd.positive CHECK (VALUE < 1000000000);

-- # keys
CREATE TABLE odd.key_composite (tenant varchar(20), no integer, kind "char", body text, at timestamptz NOT NULL, PRIMARY KEY (tenant, no, kind));
INSERT INTO odd.key_composite SELECT 'tenant ' || i % 5, i, chr(97 + i % 3), md5(i::text), date_trunc('hour', now()) - i * interval '3 hours' FROM generate_series(1, 400) i;
CREATE TABLE odd.key_uuid (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, at timestamp NOT NULL DEFAULT now());
INSERT INTO odd.key_uuid (n, at) SELECT i, date_trunc('hour', now()::timestamp) - i * interval '1 hour' FROM generate_series(1, 500) i;
CREATE TABLE odd.key_text (id text PRIMARY KEY, n int);
INSERT INTO odd.key_text SELECT (ARRAY['a', 'B', 'c-', 'Ä', 'é', '_', ' Z', 'ß', '''', '%', '\', '"'])[1 + i % 12] || i, i FROM generate_series(1, 400) i;
INSERT INTO odd.key_text VALUES ('', 0), (' ', 1), (E'new\nline', 2), (E'tab\t', 3), ('NULL', 4), ('(a,b)', 5), ('{a}', 6);
CREATE TABLE odd.key_bigint (id bigint PRIMARY KEY, note text);
INSERT INTO odd.key_bigint SELECT i, 'n' FROM generate_series(1, 300) i;
INSERT INTO odd.key_bigint VALUES (9223372036854775807, 'greatest'), (-9223372036854775808, 'least'), (0, 'nil');
CREATE TABLE odd.key_numeric (id numeric PRIMARY KEY, note text);
INSERT INTO odd.key_numeric SELECT i * 1.10, 'n' FROM generate_series(1, 300) i;
INSERT INTO odd.key_numeric VALUES ('NaN', 'nan'), ('Infinity', 'inf'), ('-Infinity', '-inf'), (1e-30, 'tiny'), (1e60, 'vast'), (-0.00, 'nil');
CREATE TABLE odd.key_timestamp (at timestamptz PRIMARY KEY, note text);
INSERT INTO odd.key_timestamp SELECT date_trunc('hour', now()) - i * interval '7 hours 1 microsecond', 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_float (id double precision PRIMARY KEY, note text);
INSERT INTO odd.key_float SELECT i / 3.0, 'n' FROM generate_series(1, 300) i;
INSERT INTO odd.key_float VALUES ('NaN', 'nan'), ('Infinity', 'inf'), ('-0', 'minus nil'), (5e-324, 'least');
CREATE TABLE odd.key_char (id char(8) PRIMARY KEY, note text);
INSERT INTO odd.key_char SELECT i::text, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_bytea (id bytea PRIMARY KEY, note text);
INSERT INTO odd.key_bytea SELECT decode(md5(i::text), 'hex'), 'n' FROM generate_series(1, 300) i;
INSERT INTO odd.key_bytea VALUES ('', 'empty'), ('\x00', 'nil'), ('\x5c27', 'quote');
CREATE TABLE odd.key_enum (id odd.mood, n int, note text, PRIMARY KEY (id, n));
INSERT INTO odd.key_enum SELECT (enum_range(NULL::odd.mood))[1 + i % 4], i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_domain (id odd.small_positive PRIMARY KEY, note text);
INSERT INTO odd.key_domain SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_array (id int[] PRIMARY KEY, note text);
INSERT INTO odd.key_array SELECT ARRAY[i, i % 3], 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_jsonb (id jsonb PRIMARY KEY, note text);
INSERT INTO odd.key_jsonb SELECT jsonb_build_object('i', i), 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_inet (id inet PRIMARY KEY, note text);
INSERT INTO odd.key_inet SELECT inet '10.0.0.0' + i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_interval (id interval PRIMARY KEY, note text);
INSERT INTO odd.key_interval SELECT i * interval '36 hours', 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_bit (id bit(12) PRIMARY KEY, note text);
INSERT INTO odd.key_bit SELECT i::bit(12), 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_range (id int4range PRIMARY KEY, note text);
INSERT INTO odd.key_range SELECT int4range(i, i + 5), 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_row (id odd.place, note text);
CREATE TABLE odd.key_deferrable (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, note text);
INSERT INTO odd.key_deferrable SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_reversed (b int, a int, note text, PRIMARY KEY (a, b));
INSERT INTO odd.key_reversed SELECT i % 7, i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.key_including (id int, more text, PRIMARY KEY (id) INCLUDE (more));
INSERT INTO odd.key_including SELECT i, 'n' || i FROM generate_series(1, 300) i;
CREATE TABLE odd.key_all (a int, b int, PRIMARY KEY (a, b));
INSERT INTO odd.key_all SELECT i, i % 9 FROM generate_series(1, 300) i;

-- # a text key in a language's order
CREATE COLLATION odd.language (provider = icu, locale = 'en');
CREATE TABLE odd.key_language (id text COLLATE odd.language PRIMARY KEY, n int);
INSERT INTO odd.key_language SELECT (ARRAY['a', 'B', 'c-', 'Ä', 'é', '_', 'Z', 'ß'])[1 + i % 8] || i, i FROM generate_series(1, 400) i;

-- # a text key that a collation holds for equal
CREATE COLLATION odd.blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE odd.key_blind (id text COLLATE odd.blind PRIMARY KEY, n int);
INSERT INTO odd.key_blind SELECT 'Word' || i, i FROM generate_series(1, 300) i;

-- # a column in POSIX order
CREATE TABLE odd.collated (id text COLLATE "POSIX" PRIMARY KEY, word text COLLATE "C", plain text COLLATE "ucs_basic");
INSERT INTO odd.collated SELECT 'Ä' || i, 'b' || i, 'c' FROM generate_series(1, 300) i;

-- # names
CREATE TABLE odd."Order" ("select" serial PRIMARY KEY, "from" text, "Ümläut" int, "with ""quotes""" text, "100 %" int, "a.b" text, " lead" text, "$1" text, "{x}" int, "%s %(id)s" text, "c--d" text, "e;f" text, "日本" text, at timestamptz NOT NULL DEFAULT now());
INSERT INTO odd."Order" ("from", "Ümläut", "with ""quotes""", "100 %", "a.b", " lead", "$1", "{x}", "%s %(id)s", "c--d", "e;f", "日本", at) SELECT 'f' || i, i, 'q', i, 'ab', 'l', 'd', i, 's', 'c', 'e', 'j', date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;
CREATE INDEX "Index of ""Order""" ON odd."Order" ("Ümläut", lower("from")) WHERE "100 %" > 5;
CREATE TABLE odd.a23456789012345678901234567890123456789012345678901234567890123 (b23456789012345678901234567890123456789012345678901234567890123 int PRIMARY KEY, note text);
INSERT INTO odd.a23456789012345678901234567890123456789012345678901234567890123 SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd."ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßé" (id int PRIMARY KEY, "ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßé" text);
INSERT INTO odd."ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßé" SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd."table" ("table" int PRIMARY KEY, "new" text, "old" int, "key" text, "name" text, "row" text, "columns" text, "t" text, "s" text, "l" text, "r" text, "h" int, "excluded" int, "target" text, "source" text, "migration" text, "tg_op" text, "found" boolean, "reason" text);
INSERT INTO odd."table" SELECT i, 'n', i, 'k', 'n', 'r', 'c', 't', 's', 'l', 'r', i, i, 't', 's', 'm', 'o', true, 'r' FROM generate_series(1, 300) i;
CREATE SCHEMA "Odd Schema.%";
CREATE TABLE "Odd Schema.%"."t.%s" (id int PRIMARY KEY, "at" timestamptz NOT NULL, note text);
INSERT INTO "Odd Schema.%"."t.%s" SELECT i, date_trunc('hour', now()) - i * interval '1 hour', 'n' FROM generate_series(1, 300) i;

-- # values
CREATE TABLE odd.documents (id bigserial PRIMARY KEY, doc jsonb NOT NULL, raw json, path jsonpath, at timestamptz NOT NULL);
INSERT INTO odd.documents (doc, raw, path, at) SELECT jsonb_build_object('a', i, 'b', jsonb_build_array(NULL, 1.10, '1.100'::numeric, 'ä' || i)), ('{"a": 1,  "a": ' || i || ', "b" :null}')::json, '$.a[*] ? (@ > 1)', date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;
INSERT INTO odd.documents (doc, raw, at) VALUES ('null', 'null', now()), ('"x"', ' 1.0 ', now()), ('[]', '{}', now()), ('{"": {"": 1e100}}', '"\u00e9"', now());
CREATE TABLE odd.arrays (id serial PRIMARY KEY, ints int[] NOT NULL, words text[], deep int[][], moods odd.mood[], rows odd.place[], shifted int[], bytes bytea[], at date NOT NULL);
INSERT INTO odd.arrays (ints, words, deep, moods, rows, shifted, bytes, at) SELECT ARRAY[i, NULL, -i], ARRAY['a', '', NULL, 'NULL', '"', '\', ',{}'], ARRAY[[1, 2], [3, i]], ARRAY['ok', 'hap''py']::odd.mood[], ARRAY[ROW('s', i, point(1, 2)), NULL]::odd.place[], '[5:6]={1,2}', ARRAY['\x00'::bytea, ''], current_date - i % 90 FROM generate_series(1, 300) i;
INSERT INTO odd.arrays (ints, words, at) VALUES ('{}', '{}', '2026-10-01'), ('{NULL}', '{""}', '2026-10-02');
CREATE TABLE odd.ranges (id serial PRIMARY KEY, i4 int4range NOT NULL, i8 int8range, n numrange, ts tsrange, tz tstzrange, d daterange, multi int4multirange, tzmulti tstzmultirange);
INSERT INTO odd.ranges (i4, i8, n, ts, tz, d, multi, tzmulti) SELECT int4range(i, i + 2), int8range(NULL, i), numrange(i, i + 0.10, '(]'), tsrange('-infinity', 'infinity'), tstzrange('2026-01-01', NULL), daterange('2026-01-01', '2026-01-01'), int4multirange(int4range(1, 3), int4range(i + 10, i + 20)), tstzmultirange() FROM generate_series(1, 300) i;
INSERT INTO odd.ranges (i4) VALUES ('empty'), ('(,)'), ('[1,1]');
CREATE TABLE odd.composites (id serial PRIMARY KEY, home odd.place, mood odd.mood NOT NULL DEFAULT 'ok', mail odd.email, amount odd.positive, amounts odd.positive[], small odd.small_positive);
INSERT INTO odd.composites (home, mood, mail, amount, amounts, small) SELECT ROW('Weg, "1"', i, point(i, 0.1))::odd.place, (enum_range(NULL::odd.mood))[1 + i % 4], 'a' || i || '@b', i, ARRAY[i, 1.10], i FROM generate_series(1, 300) i;
INSERT INTO odd.composites (home, mail) VALUES (NULL, 'a@b'), (ROW(NULL, NULL, NULL)::odd.place, 'c@d');
CREATE TABLE odd.numbers (id int PRIMARY KEY, any_ numeric, scaled numeric(10, 3), wide numeric(1000, 500), f4 real, f8 double precision, i2 smallint, cash money, o oid, x xid8, lsn pg_lsn);
INSERT INTO odd.numbers SELECT i, i / 7.0, i * 1.1, i * 1e100, i / 3.0, i / 3.0, i % 100, i, i, i::text::xid8, '0/0'::pg_lsn + i FROM generate_series(1, 300) i;
INSERT INTO odd.numbers (id, any_, f4, f8) VALUES (1001, 'NaN', 'NaN', 'NaN'), (1002, 'Infinity', 'Infinity', '-Infinity'), (1003, 1.0, '-0', '-0'), (1004, 1.00, 0, 0), (1005, 1e-200, 1e-45, 5e-324);
CREATE TABLE odd.moments (id int PRIMARY KEY, at timestamptz, plain timestamp, d date, t time, tz timetz, ago interval, p0 timestamptz(0), i0 interval day to second(2));
INSERT INTO odd.moments SELECT i, date_trunc('hour', now()) - i * interval '1 hour', date_trunc('hour', now()::timestamp) - i * interval '1 hour', current_date - i, time '23:00' - i * interval '1 second', '12:00+05:30', i * interval '1 month 1 day 1 microsecond', now(), '1 day 2:03:04.56' FROM generate_series(1, 300) i;
INSERT INTO odd.moments (id, at, plain, d, t, tz, ago) VALUES (1001, 'infinity', '-infinity', 'infinity', '24:00', '24:00-15:59', 'infinity'), (1002, '4714-11-24 BC', '4714-11-24 BC', '4714-11-24 BC', '00:00', '00:00+15:59', '1 mon -30 days'), (1003, '294276-12-31 23:59:59.999999', '294276-12-31', '5874897-12-31', NULL, NULL, '-178000000 years');
CREATE TABLE odd.bits (id int PRIMARY KEY, b bit(9), vb bit varying, bytes bytea, ip inet, net cidr, mac macaddr, mac8 macaddr8, u uuid, words tsvector, q tsquery, n name, c "char", cls regclass, proc regprocedure);
INSERT INTO odd.bits SELECT i, i::bit(9), B'1' || i::bit(5), decode(md5(i::text), 'hex'), inet '10.0.0.1/8' + i, '2001:db8::/32', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', gen_random_uuid(), to_tsvector('pg_catalog.simple', 'the ''quoted'' word ' || i), 'a & !b:*', 'n' || i, 'x', 'pg_class', 'now()' FROM generate_series(1, 300) i;
INSERT INTO odd.bits (id, vb, bytes, words, c) VALUES (1001, '', '', '', ''), (1002, B'0', '\x00', 'a:1A', E'\\200');
CREATE TABLE odd.shapes (id int PRIMARY KEY, p point, ln line, seg lseg, b box, open path, poly polygon, c circle);
INSERT INTO odd.shapes SELECT i, point(i, 0.1), '{1,-1,0}', lseg(point(0, 0), point(i, 1)), box(point(0, 0), point(i, 1)), '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', circle(point(0, 0), i) FROM generate_series(1, 300) i;

-- # xml
CREATE TABLE odd.xmls (id int PRIMARY KEY, x xml NOT NULL);
INSERT INTO odd.xmls SELECT i, ('<?xml version="1.0"?><a n="' || i || '"> <b/></a>')::xml FROM generate_series(1, 300) i;

-- # citext
CREATE TABLE odd.cases (id citext PRIMARY KEY, other citext, at timestamptz NOT NULL);
INSERT INTO odd.cases SELECT 'Wort' || i, CASE WHEN i % 2 = 0 THEN 'A' ELSE 'a' END, date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;

-- # hstore
CREATE TABLE odd.hstores (id int PRIMARY KEY, h hstore, hs hstore[]);
INSERT INTO odd.hstores SELECT i, hstore(ARRAY['a', '', 'n'], ARRAY[i::text, '"', NULL]), ARRAY[hstore('a', 'b')] FROM generate_series(1, 300) i;

-- # ltree
CREATE TABLE odd.trees (path ltree PRIMARY KEY, q lquery);
INSERT INTO odd.trees SELECT ('top.n' || i)::ltree, 'top.*' FROM generate_series(1, 300) i;

-- # made by the server
CREATE TABLE odd.generated (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, doubled bigint GENERATED ALWAYS AS (a * 2) STORED, words tsvector GENERATED ALWAYS AS (to_tsvector('pg_catalog.simple', a::text)) STORED, at timestamptz NOT NULL DEFAULT now());
INSERT INTO odd.generated (a, at) SELECT i, date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;
CREATE TABLE odd.identity_by_default (id bigint GENERATED BY DEFAULT AS IDENTITY (START 1000 INCREMENT 10 CACHE 20) PRIMARY KEY, note text);
INSERT INTO odd.identity_by_default (note) SELECT 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.identity_outside (code text PRIMARY KEY, no int GENERATED ALWAYS AS IDENTITY);
INSERT INTO odd.identity_outside SELECT 'c' || i FROM generate_series(1, 300) i;
CREATE TABLE odd.identity_beside (code text PRIMARY KEY, no int GENERATED BY DEFAULT AS IDENTITY, note text);
INSERT INTO odd.identity_beside (code) SELECT 'c' || i FROM generate_series(1, 300) i;
CREATE TABLE odd.counting_down (id smallint GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1 MINVALUE -32000 MAXVALUE -1) PRIMARY KEY, note text);
INSERT INTO odd.counting_down (note) SELECT 'n' FROM generate_series(1, 300) i;
CREATE SEQUENCE odd.shared_sequence;
CREATE TABLE odd.shares_a_sequence (id bigint DEFAULT nextval('odd.shared_sequence') PRIMARY KEY, note text);
INSERT INTO odd.shares_a_sequence (note) SELECT 'n' FROM generate_series(1, 300) i;
CREATE FUNCTION odd.code(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'c' || n $$;
CREATE TABLE odd.defaults (id serial PRIMARY KEY, code text NOT NULL DEFAULT odd.code(1), at timestamptz NOT NULL DEFAULT clock_timestamp(), who name DEFAULT current_user, arr int[] DEFAULT '{1,2}', r double precision DEFAULT random());
INSERT INTO odd.defaults (code) SELECT 'x' FROM generate_series(1, 300) i;

-- # virtual columns
CREATE TABLE odd.virtual_column (id int PRIMARY KEY, a int NOT NULL, doubled bigint GENERATED ALWAYS AS (a * 2) VIRTUAL);
INSERT INTO odd.virtual_column (id, a) SELECT i, i FROM generate_series(1, 300) i;

-- # what hangs on a table
CREATE TABLE odd.described (id int PRIMARY KEY, secret text, open text, n int CONSTRAINT "n is small" CHECK (n < 1000000), at timestamptz NOT NULL) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
COMMENT ON TABLE odd.described IS 'A table''s comment, with "quotes" and %s.';
COMMENT ON COLUMN odd.described.secret IS 'Hush';
ALTER TABLE odd.described ALTER COLUMN secret SET STORAGE EXTERNAL, ALTER COLUMN open SET STATISTICS 500;
ALTER TABLE odd.described ALTER COLUMN open SET (n_distinct = 7);
ALTER TABLE odd.described REPLICA IDENTITY FULL;
CREATE INDEX by_open ON odd.described USING hash (open);
CREATE INDEX brin_at ON odd.described USING brin (at) WITH (pages_per_range = 16);
CREATE INDEX gin_words ON odd.described USING gin (to_tsvector('pg_catalog.simple', open));
CREATE UNIQUE INDEX unique_part ON odd.described (id, secret) WHERE secret IS NOT NULL;
CREATE STATISTICS odd.described_statistics (dependencies) ON n, at FROM odd.described;
COMMENT ON INDEX odd.by_open IS 'An index''s comment';
COMMENT ON CONSTRAINT "n is small" ON odd.described IS 'A constraint''s comment';
REVOKE ALL ON odd.described FROM certify_app;
GRANT SELECT, INSERT, DELETE, UPDATE (secret, open, n) ON odd.described TO certify_app;
GRANT SELECT (id, open) ON odd.described TO PUBLIC;
INSERT INTO odd.described SELECT i, 's' || i, 'o' || i % 7, i, date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;
CREATE TABLE odd.clustered (id int PRIMARY KEY, n int);
INSERT INTO odd.clustered SELECT i, -i FROM generate_series(1, 300) i;
CREATE INDEX clustered_by ON odd.clustered (n);
ALTER TABLE odd.clustered CLUSTER ON clustered_by;
CREATE TABLE odd.secured (id int PRIMARY KEY, who name NOT NULL DEFAULT current_user, note text, at timestamptz NOT NULL);
INSERT INTO odd.secured SELECT i, 'certify_app', 'n', date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;
ALTER TABLE odd.secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY "my rows" ON odd.secured TO certify_app USING (who = current_user) WITH CHECK (who = current_user);
CREATE TABLE odd.not_valid (id int PRIMARY KEY, n int);
INSERT INTO odd.not_valid SELECT i, i - 20 FROM generate_series(1, 300) i;
ALTER TABLE odd.not_valid ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
CREATE TABLE odd.unique_elsewhere (id int PRIMARY KEY, code text UNIQUE, "Other" int, at timestamptz NOT NULL, UNIQUE NULLS NOT DISTINCT ("Other"));
INSERT INTO odd.unique_elsewhere SELECT i, 'c' || i, i, date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;
CREATE TABLE odd.dropped_columns (gone int, id int PRIMARY KEY, gone_too text, note text, gone_at_last int);
INSERT INTO odd.dropped_columns SELECT i, i, 'g', 'n', i FROM generate_series(1, 300) i;
ALTER TABLE odd.dropped_columns DROP COLUMN gone, DROP COLUMN gone_too, DROP COLUMN gone_at_last;
ALTER TABLE odd.dropped_columns ADD COLUMN added int DEFAULT 42;
CREATE TABLE odd.ruled (id int PRIMARY KEY, note text);
INSERT INTO odd.ruled SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE RULE keep AS ON UPDATE TO odd.ruled WHERE old.id < 0 DO INSTEAD NOTHING;

-- # exclusion
CREATE TABLE odd.exclusive (id int PRIMARY KEY, during tstzrange NOT NULL, room int, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO odd.exclusive SELECT i, tstzrange('2026-01-01'::timestamptz + i * interval '1 hour', '2026-01-01'::timestamptz + i * interval '1 hour' + interval '30 minutes'), 1 FROM generate_series(1, 300) i;

-- # a key without overlaps
CREATE TABLE odd.temporal (id int, during daterange, note text, PRIMARY KEY (id, during WITHOUT OVERLAPS));
INSERT INTO odd.temporal SELECT i % 30, daterange(date '2026-01-01' + i, date '2026-01-01' + i + 1), 'n' FROM generate_series(1, 300) i;

-- # few shops, many months: its name is one for which list × month comes first
CREATE TABLE odd.shop_days (shop int, at timestamptz, no bigint, note varchar(40), PRIMARY KEY (shop, at, no));
INSERT INTO odd.shop_days SELECT i % 5, timestamptz '2026-07-01 00:00+00' + i * interval '8 hours', i, 'n' FROM generate_series(1, 300) i;

-- # triggers
CREATE TABLE odd.triggered (id int PRIMARY KEY, note text, changed timestamptz, at timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION odd.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := clock_timestamp(); RETURN NEW; END $$;
CREATE TABLE odd.journal (no bigserial PRIMARY KEY, what text, id int, at timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION odd.write_journal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO odd.journal (what, id) VALUES (TG_OP || ' ' || TG_TABLE_NAME, coalesce(NEW.id, OLD.id)); RETURN NULL; END $$;
INSERT INTO odd.triggered SELECT i, 'n', NULL, date_trunc('hour', now()) - i * interval '1 hour' FROM generate_series(1, 300) i;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON odd.triggered FOR EACH ROW EXECUTE FUNCTION odd.stamp();
CREATE TRIGGER write_journal AFTER INSERT OR UPDATE OR DELETE ON odd.triggered FOR EACH ROW EXECUTE FUNCTION odd.write_journal();

-- # relations
CREATE TABLE odd.parents (id serial PRIMARY KEY, name text, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE odd.children (id serial PRIMARY KEY, parent int REFERENCES odd.parents ON DELETE CASCADE ON UPDATE CASCADE, note text);
CREATE TABLE odd.myself (id int PRIMARY KEY, above int REFERENCES odd.myself, note text);
INSERT INTO odd.parents (name) SELECT 'p' || i FROM generate_series(1, 300) i;
INSERT INTO odd.children (parent, note) SELECT i, 'c' FROM generate_series(1, 200) i;
INSERT INTO odd.myself SELECT i, NULLIF(i / 2, 0), 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.seen (id int PRIMARY KEY, note text);
INSERT INTO odd.seen SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE VIEW odd."A view" AS SELECT id, upper(note) AS note FROM odd.seen;
CREATE MATERIALIZED VIEW odd.kept AS SELECT count(*) AS n FROM odd.seen;

-- # inheritance and partitions
CREATE TABLE odd.ancestor (id int PRIMARY KEY, note text);
CREATE TABLE odd.descendant (PRIMARY KEY (id)) INHERITS (odd.ancestor);
INSERT INTO odd.ancestor SELECT i, 'n' FROM generate_series(1, 100) i;
CREATE TABLE odd.partitioned (id int, at date NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE odd.partitioned_1 PARTITION OF odd.partitioned FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO odd.partitioned SELECT i, date '2026-02-01' + i % 200, 'n' FROM generate_series(1, 300) i;
CREATE UNLOGGED TABLE odd.unlogged (id int PRIMARY KEY, note text);
INSERT INTO odd.unlogged SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE TYPE odd.typed AS (id int, note text);
CREATE TABLE odd.of_a_type OF odd.typed (PRIMARY KEY (id));
INSERT INTO odd.of_a_type SELECT i, 'n' FROM generate_series(1, 300) i;

-- # sizes
CREATE TABLE odd.keyless (n int, note text);
INSERT INTO odd.keyless SELECT i, 'n' FROM generate_series(1, 300) i;
CREATE TABLE odd.empty_table (id int PRIMARY KEY, at timestamptz NOT NULL, note text);
CREATE TABLE odd.one_row (id boolean PRIMARY KEY DEFAULT true CHECK (id), note text);
INSERT INTO odd.one_row VALUES (true, 'the only one');
CREATE TABLE odd.no_columns ();
CREATE TABLE odd.key_alone (id int PRIMARY KEY);
INSERT INTO odd.key_alone SELECT i FROM generate_series(1, 300) i;
CREATE TABLE odd.megabytes (id int PRIMARY KEY, body text, bytes bytea);
ALTER TABLE odd.megabytes ALTER COLUMN bytes SET STORAGE EXTERNAL;
INSERT INTO odd.megabytes SELECT i, repeat(md5(i::text), 32768), decode(repeat(md5((-i)::text), 8192), 'hex') FROM generate_series(1, 40) i;
CREATE TABLE odd.wide (id int PRIMARY KEY);
DO $$ BEGIN EXECUTE 'ALTER TABLE odd.wide ' || (SELECT string_agg(format('ADD COLUMN c%s %s', i, (ARRAY['int', 'text', 'boolean', 'date'])[1 + i % 4]), ', ') FROM generate_series(1, 999) i); END $$;
INSERT INTO odd.wide (id, c1, c2, c500, c999) SELECT i, 'a', true, i, '2026-01-01' FROM generate_series(1, 300) i;
CREATE TABLE odd.forty_indexes (id int PRIMARY KEY, a int, b text);
INSERT INTO odd.forty_indexes SELECT i, i, 'n' FROM generate_series(1, 300) i;
DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('CREATE INDEX ON odd.forty_indexes ((a + %s), b)', i); END LOOP; END $$;
