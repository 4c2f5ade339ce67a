-- Is it the same? One statement reads both sides of a range, so each range is exact in its own snapshot.

-- name: row_hash
-- record_send tells 1.0 from 1.00, A from a (citext) and 0 from -0, and exists for types that have no hash of their own.
-- Equal within one server only: for archives and other clusters there is a portable form.
hash_record_extended(ROW(record_send(ROW({values}))), 0)

-- name: count_both
-- The plainest question there is: an empty comparison proves nothing, two tables counted empty are equal.
SELECT (SELECT count(*) FROM {left}) + (SELECT count(*) FROM {right}) AS rows

-- name: find_bound
-- The key that ends a range of so many rows: a walk along the key's index.
SELECT {keys_as_text} FROM {table} AS t WHERE {range} ORDER BY {keys} OFFSET %(rows)s LIMIT 1

-- name: bucket_of_bytes
hash_record_extended(ROW(record_send(ROW({key}))), 0) & ({buckets} - 1)

-- name: bucket_of_value
hash_record_extended(ROW({key}), 0) & ({buckets} - 1)

-- name: sum_buckets
-- Both tables in one reading. Behind UNION ALL the planner takes the buckets for few, as they are: it sums in parallel, and
-- hashes rows where it reads them. By the key's own statistics it would expect a bucket a row, and sort the table.
SELECT bucket,
       coalesce(sum(rows) FILTER (WHERE is_left), 0)::bigint AS left_rows,
       coalesce(sum(rows) FILTER (WHERE NOT is_left), 0)::bigint AS right_rows,
       coalesce(sum(hash) FILTER (WHERE is_left), 0)::text AS left_hash,
       coalesce(sum(hash) FILTER (WHERE NOT is_left), 0)::text AS right_hash
FROM (
    SELECT is_left, bucket, count(*) AS rows, sum(hash) AS hash
    FROM (SELECT true AS is_left, {left_bucket} AS bucket, {left_hash} AS hash FROM {left} AS t WHERE {left_range}
          UNION ALL
          SELECT false, {right_bucket}, {right_hash} FROM {right} AS t WHERE {right_range}) AS both_sides
    GROUP BY is_left, bucket
) AS sums
GROUP BY bucket ORDER BY bucket

-- name: within
{bucket} = ANY (%(within)s::bigint[])

-- name: list_differences
-- The rows of some buckets whose keys are there on one side only, unequally often, or with another hash.
SELECT ARRAY[{key_text}] AS key,
       CASE WHEN r.rows IS NULL THEN 'missing' WHEN l.rows IS NULL THEN 'extra' ELSE 'different' END AS what,
       count(*) OVER () AS total,
       count(*) FILTER (WHERE r.rows IS NULL) OVER () AS missing, count(*) FILTER (WHERE l.rows IS NULL) OVER () AS extra
FROM (SELECT {left_keys}, count(*) AS rows, sum({left_hash}) AS hash FROM {left} AS t WHERE {left_range} GROUP BY {places}) AS l
FULL JOIN (SELECT {right_keys}, count(*) AS rows, sum({right_hash}) AS hash FROM {right} AS t WHERE {right_range} GROUP BY {places}) AS r
ON {join}
WHERE l.rows IS DISTINCT FROM r.rows OR l.hash IS DISTINCT FROM r.hash
LIMIT %(most)s

-- name: hash_columns
-- One row on both sides, a hash a column.
SELECT l.left_columns, r.right_columns
FROM (SELECT ARRAY[{left_columns}] AS left_columns FROM {left} AS t WHERE {left_key}) AS l,
     (SELECT ARRAY[{right_columns}] AS right_columns FROM {right} AS t WHERE {right_key}) AS r

-- name: everything
true

-- name: window
{time} >= %(lower)s AND {time} < %(upper)s
