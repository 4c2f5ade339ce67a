-- Build the target: a partitioned table like the source, empty.

-- name: scan_time
-- The values that cut by time: their span, and what no partition can hold.
SELECT min(v) FILTER (WHERE isfinite(v))::text AS least, max(v) FILTER (WHERE isfinite(v))::text AS greatest,
       count(*) FILTER (WHERE v IS NULL) AS nulls, count(*) FILTER (WHERE NOT isfinite(v)) AS infinite
FROM (SELECT {value} AS v FROM {source} AS s) AS seen

-- name: plan_span
-- In UTC. Upper is exclusive: so many whole months past the month of the later of now and the greatest value.
SELECT lower::text, upper::text,
       ((extract(epoch FROM upper) - extract(epoch FROM lower)) / extract(epoch FROM ('1 ' || %(every)s)::interval))::float8 AS steps
FROM (SELECT date_trunc(%(every)s, coalesce(%(least)s::timestamptz, now()) AT TIME ZONE 'UTC') AS lower,
             date_trunc('month', greatest(coalesce(%(greatest)s::timestamptz, now()), now()) AT TIME ZONE 'UTC')
                 + make_interval(months => %(ahead)s + 1) AS upper) AS span

-- name: plan_ranges
-- One row a month, week or day, from `lower`, until `upper` is covered.
SELECT step::text AS lower, (step + ('1 ' || %(every)s)::interval)::text AS upper, to_char(step, %(suffix)s) AS suffix
FROM generate_series(%(lower)s::timestamptz AT TIME ZONE 'UTC',
                     %(upper)s::timestamptz AT TIME ZONE 'UTC' - interval '1 microsecond', ('1 ' || %(every)s)::interval) AS step

-- name: list_values
SELECT DISTINCT {value}::text AS value FROM {source} AS s WHERE {value} IS NOT NULL ORDER BY 1 LIMIT %(most)s

-- name: count_lost
-- Rows whose new value is NULL where the new table refuses NULL: a partition column of it.
SELECT count(*) AS rows FROM {source} AS s WHERE {value} IS NULL

-- name: see_only_the_catalogue
-- As a trigger does: other functions are named with their schema.
SELECT set_config('search_path', 'pg_catalog, pg_temp', true)

-- name: draft_value
-- A generated column takes an immutable expression only, over this row alone: PostgreSQL says whether it is one.
CREATE TEMPORARY TABLE sluice_draft AS SELECT * FROM {source} LIMIT 0;
ALTER TABLE sluice_draft ADD COLUMN "sluice value" {type} GENERATED ALWAYS AS ({value}) STORED

-- name: try_value
SELECT count(v) AS rows FROM (SELECT CAST({value} AS {type}) AS v FROM {source} AS s) AS made

-- name: count_changed
-- There and back again: rows whose value is another one then.
SELECT count(*) AS rows
FROM {source} AS s CROSS JOIN LATERAL (SELECT {back} AS b FROM (SELECT {values}) AS t) AS made
WHERE record_send(ROW(made.b)) IS DISTINCT FROM record_send(ROW(s.{column}))

-- name: read_span
-- From when until when every branch has partitions by now without a gap: of the runs that reach into the bounds known so far, the
-- latest. Where a branch has none, nothing fits.
WITH parents AS (
    SELECT partrelid AS parent FROM sluice.migration m, unnest(sluice.parts(m.target_oid)) AS part
    JOIN pg_partitioned_table ON partrelid = part AND partstrat = 'r' JOIN pg_attribute a ON a.attrelid = part AND a.attnum = partattrs[0]
    WHERE m.name = %(name)s AND a.attname = %(column)s),
ranges AS (
    SELECT parent, CASE found[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim('''' FROM found[1]) END::timestamptz AS since,
           CASE found[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim('''' FROM found[2]) END::timestamptz AS until
    FROM parents JOIN pg_inherits i ON i.inhparent = parent JOIN pg_class c ON c.oid = i.inhrelid,
    regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \((.*)\) TO \((.*)\)') AS found WHERE found IS NOT NULL),
begun AS (
    SELECT *, since IS DISTINCT FROM lag(until) OVER (PARTITION BY parent ORDER BY since) AS begins FROM ranges),
numbered AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY parent ORDER BY since) AS run FROM begun),
runs AS (
    SELECT DISTINCT ON (parent) min(n.since) AS since, max(n.until) AS until
    FROM numbered n, sluice.migration m WHERE m.name = %(name)s
    GROUP BY parent, run, m.lower_bound, m.upper_bound
    HAVING min(n.since) < m.upper_bound::timestamptz AND max(n.until) > m.lower_bound::timestamptz
    ORDER BY parent, max(n.until) DESC),
span AS (
    SELECT max(since) AS since, CASE count(*) WHEN (SELECT count(*) FROM parents) THEN min(until) ELSE max(since) END AS until FROM runs),
known AS (
    SELECT coalesce(s.since, m.lower_bound::timestamptz) AS since, coalesce(s.until, m.lower_bound::timestamptz) AS until
    FROM span s, sluice.migration m WHERE m.name = %(name)s)
SELECT CASE WHEN %(zoned)s THEN since::text ELSE (since AT TIME ZONE 'UTC')::text END AS lower,
       CASE WHEN %(zoned)s THEN until::text ELSE (until AT TIME ZONE 'UTC')::text END AS upper
FROM known

-- name: count_open_ends
-- Tables below the target that lack the default partition of a list, or one of a hash.
SELECT count(*) AS tables FROM sluice.migration m, unnest(sluice.parts(m.target_oid)) AS part
JOIN pg_partitioned_table p ON p.partrelid = part
WHERE m.name = %(name)s AND (p.partstrat = 'l' AND p.partdefid = 0 OR p.partstrat = 'h' AND 1 > (
    SELECT coalesce(round(sum(1.0 / (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'modulus (\d+)'))[1]::int), 6), 0)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = part))

-- name: name_types
-- As the catalogue calls them, without their modifiers; NULL for what is no type.
SELECT to_regtype(%(now)s)::text AS now, to_regtype(%(then)s)::text AS then

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema}

-- name: create_owned_schema
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}

-- name: create_like
-- With how it is partitioned, or without.
CREATE TABLE {target} (LIKE {source} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING CONSTRAINTS
    INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS INCLUDING STATISTICS) {cut}

-- name: partition_by
PARTITION BY {how} ({column})

-- name: drop_column
ALTER TABLE {target} DROP COLUMN {column}

-- name: change_type
ALTER TABLE {target} ALTER COLUMN {column} TYPE {type} USING NULL

-- name: add_column
ALTER TABLE {target} ADD COLUMN {column} {type}

-- name: drop_draft
DROP TABLE {draft}

-- name: add_key
ALTER TABLE {target} ADD CONSTRAINT {name} PRIMARY KEY ({columns})

-- name: create_partition
CREATE TABLE {partition} PARTITION OF {parent} {bounds} {cut}

-- name: create_index
CREATE INDEX {name} ON {target} {tail}

-- name: create_unique_index
CREATE UNIQUE INDEX {name} ON {target} {tail}

-- name: add_constraint
ALTER TABLE {target} ADD CONSTRAINT {name} {definition}

-- name: enable_rls
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY

-- name: force_rls
ALTER TABLE {table} FORCE ROW LEVEL SECURITY

-- name: create_policy
CREATE POLICY {policy} ON {target} AS {permissive} FOR {command} TO {roles}

-- name: move_table
ALTER TABLE {table} SET SCHEMA {schema}

-- name: rename_table
ALTER TABLE {table} RENAME TO {name}

-- name: drop_schema
DROP SCHEMA {schema}

-- name: set_options
ALTER TABLE {table} SET ({options})

-- name: set_owner
ALTER TABLE {table} OWNER TO {owner}

-- name: grant
GRANT {privilege} ON {target} TO {grantee}

-- name: grant_column
GRANT {privilege} ({column}) ON {target} TO {grantee}

-- name: comment_table
COMMENT ON TABLE {target} IS {comment}

-- name: read_comment
SELECT obj_description(%(oid)s::oid, 'pg_class') AS comment

-- name: count_rows
SELECT count(*) AS rows FROM {target}

-- name: list_statistics_targets
-- Of columns where somebody set one: NULL is the default since PostgreSQL 17, -1 before.
SELECT attname AS column, attstattarget AS wanted FROM pg_attribute
WHERE attrelid = %(oid)s::oid AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0 ORDER BY attnum

-- name: set_statistics
ALTER TABLE {target} ALTER COLUMN {column} SET STATISTICS {wanted}
