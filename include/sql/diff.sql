-- Is it the same? One statement reads both sides of a range, so each range is exact in its own snapshot.

-- name: row_hash
-- record_send tells 1.0 from 1.00, A from a (citext) and 0 from -0, and exists for types that have no hash of their own.
-- Equal within one server only: for archives and other clusters there is a portable form.
hash_record_extended(ROW(record_send(ROW({columns}))), 0)

-- name: compare_range
SELECT l.rows AS left_rows, r.rows AS right_rows, l.hash::text AS left_hash, r.hash::text AS right_hash
FROM (SELECT count(*) AS rows, coalesce(sum({left_hash}), 0) AS hash FROM {left} AS t WHERE {left_range}) AS l,
     (SELECT count(*) AS rows, coalesce(sum({right_hash}), 0) AS hash FROM {right} AS t WHERE {right_range}) AS r

-- name: find_bound
-- The key that ends a range of so many rows: a walk along the key's index.
SELECT {keys_as_text} FROM {table} AS t WHERE {range} ORDER BY {keys} OFFSET %(rows)s LIMIT 1

-- name: list_differences
-- `same` has one boolean a column; a row that is on one side only has no partner.
SELECT coalesce({left_key_text}, {right_key_text}) AS key,
       CASE WHEN r.h IS NULL THEN 'missing' WHEN l.h IS NULL THEN 'extra' ELSE 'different' END AS what,
       ARRAY[{same}]::boolean[] AS same, count(*) OVER () AS total,
       count(*) FILTER (WHERE r.h IS NULL) OVER () AS missing, count(*) FILTER (WHERE l.h IS NULL) OVER () AS extra
FROM (SELECT t.*, {left_hash} AS h FROM {left} AS t WHERE {left_range}) AS l
FULL JOIN (SELECT t.*, {right_hash} AS h FROM {right} AS t WHERE {right_range}) AS r ON {join}
WHERE l.h IS DISTINCT FROM r.h
LIMIT %(most)s

-- name: column_bytes
record_send(ROW({column}))

-- name: everything
true

-- name: window
t.{column} >= %(lower)s AND t.{column} < %(upper)s
