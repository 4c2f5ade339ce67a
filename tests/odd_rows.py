"""A table with a column of every sort of type, and rows that hold what is odd about each."""

from __future__ import annotations

ODD = """CREATE TYPE app.mood AS ENUM ('glad', 'so so');
CREATE DOMAIN app.cents AS numeric(12,2) CHECK (value <> 7); CREATE DOMAIN app.title AS text NOT NULL DEFAULT '';
CREATE TYPE app.pair AS (a int, "B" text, c app.cents[]);
CREATE TABLE app.event (at timestamptz NOT NULL, tenant int, number numeric, short numeric(12,2), small smallint, big bigint,
    half real, whole double precision, yes boolean, said text, fixed char(4), bytes bytea, day date, plain timestamp,
    precise timestamptz(3), lasts interval, span tstzrange, many int4multirange, list text[][], moods app.mood[], mood app.mood,
    doc jsonb, raw json, id uuid, bits varbit, ip inet, vector tsvector, "50% odd ""name" text,
    pair app.pair, pairs app.pair[], cents app.cents, title app.title, shifted int[], cost money, spot point, ring polygon,
    net cidr, card macaddr, hour time, zoned timetz, place pg_lsn, letter "char", most numeric(38,6), tens numeric(5,-2),
    asked tsquery, way jsonpath, free numrange, off datemultirange, all_of double precision[],
    twice bigint GENERATED ALWAYS AS (big * 2) STORED, CHECK (said <> 'never')) PARTITION BY RANGE (at)"""
ROWS = """INSERT INTO app.event SELECT '2024-01-05 06:07:08.{i}0'::timestamptz, {i}, x.* FROM (VALUES
 (('1' || repeat('234567890', 7) || '.' || repeat('12', 30))::numeric, 'NaN'::numeric(12,2), (-32768)::smallint,
  9223372036854775000 / 4, 'NaN'::real, '-Infinity'::float8, true, E'tab\\t back\\\\slash\\nline "quoted", é 😀', 'ab',
  '\\x00ff27'::bytea, 'infinity'::date, '-infinity'::timestamp, 'infinity'::timestamptz,
  '1 year -2 mons 3 days -04:05:06.789'::interval, '[2024-01-01 00:00:00+00,)'::tstzrange, '{{[1,3),[7,9)}}'::int4multirange,
  ARRAY[['a,b', NULL], ['"', '{{}}']], ARRAY['so so', NULL]::app.mood[], 'glad'::app.mood,
  '{{"b": 1.50, "a": [null, "\\\\u00e9"]}}'::jsonb, '{{"b" : 1, "b":2}}'::json, md5('{i}')::uuid, '101'::varbit,
  '10.1.2.3/8'::inet, 'a:1 b:2'::tsvector, 'odd',
  ROW(1, 'a "b", (c)', ARRAY[0.10, NULL])::app.pair, ARRAY[ROW(NULL, '', NULL), NULL]::app.pair[], 0.1::app.cents,
  'NULL'::app.title, '[-2:0]={{1,NULL,3}}'::int[],
  '-12.5'::money, '(1e-300,-0)'::point, '((0,0),(0.1,1),(1e15,2))'::polygon, '10.1.0.0/16'::cidr,
  '08:00:2b:01:02:03'::macaddr, '24:00'::time, '23:59:59.5-15:59'::timetz, 'FFFFFFFF/FFFFFFFF'::pg_lsn, 'x'::"char",
  '-99999999999999999999999999999999.999999'::numeric(38,6), 12345.6::numeric(5,-2), $$'a b' & !c:*B$$::tsquery,
  '$.a[*] ? (@.b > 1.50)'::jsonpath, '(-Infinity,NaN]'::numrange, '{{[2024-02-29,infinity)}}'::datemultirange,
  '{{NaN,-Infinity,-0,5e-324,1.7976931348623157e308}}'::float8[]),
 ('-Infinity', 0.05, 0, -1, '1e-30', 1e15, false, '', '', '', '0044-03-15 BC', '4713-01-01 00:00:00 BC',
  '294276-12-31 23:59:59.999', '-178000000 years', 'empty', '{{}}', '{{}}', '{{}}', NULL,
  '"{{}}"', '""', NULL, '', '::1', '', '',
  '(,,)', '{{}}', 'NaN', '', '{{{{1}},{{NULL}}}}', '0', '(Infinity,NaN)', '((0,0))', '::/0', '0:0:0:0:0:0', '00:00:00.000001',
  '00:00+15:59:59', '0/0', '', 0, -0.4, '', '$', 'empty', '{{}}', '{{}}'),
 (0, -0.00, NULL, NULL, '-0', 606734 * 1e15::float8, NULL, NULL, NULL, NULL, '0001-01-01',
  '9999-12-31 23:59:59.999999', '0999-01-01',
  '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, 'last', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0.000001', NULL, NULL, NULL, NULL, NULL,
  NULL)) AS x"""
