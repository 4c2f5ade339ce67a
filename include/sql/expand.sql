-- Build the target: a partitioned table like the source, empty.

-- name: scan_partition_column
SELECT min({column})::text AS least, max({column})::text AS greatest, count(*) FILTER (WHERE {column} IS NULL) AS nulls,
       count(*) FILTER (WHERE NOT isfinite({column})) AS infinite, count(*) AS rows,
       coalesce(extract(epoch FROM max({column}) FILTER (WHERE isfinite({column})) - min({column}) FILTER (WHERE isfinite({column})))
                / (30.44 * 86400), 0)::double precision AS months
FROM {source}

-- name: plan_months
-- One row a month, from the month of the least value to `ahead` months past the later of now and the greatest. Bounds in UTC.
SELECT month AS lower, month + interval '1 month' AS upper, to_char(month, '"y"YYYY"m"MM') AS suffix
FROM generate_series(
    date_trunc('month', coalesce(%(least)s::timestamptz, now()) AT TIME ZONE 'UTC'),
    date_trunc('month', greatest(coalesce(%(greatest)s::timestamptz, now()), now()) AT TIME ZONE 'UTC') + make_interval(months => %(ahead)s),
    interval '1 month') AS month

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema}

-- name: create_owned_schema
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}

-- name: create_parent
CREATE TABLE {target} (LIKE {source} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING CONSTRAINTS
    INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS INCLUDING STATISTICS)
PARTITION BY RANGE ({column})

-- name: add_key
ALTER TABLE {target} ADD PRIMARY KEY ({columns})

-- name: create_partition
CREATE TABLE {partition} PARTITION OF {target} FOR VALUES FROM ({lower}) TO ({upper})

-- name: create_index
CREATE INDEX ON {target} {tail}

-- name: create_unique_index
CREATE UNIQUE INDEX ON {target} {tail}

-- name: enable_rls
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY

-- name: force_rls
ALTER TABLE {table} FORCE ROW LEVEL SECURITY

-- name: create_policy
CREATE POLICY {policy} ON {target} AS {permissive} FOR {command} TO {roles}

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
