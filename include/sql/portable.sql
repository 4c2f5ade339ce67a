-- The same hash in every store: see sluice.proof.diff.portable.

-- name: column_text
coalesce(octet_length(({value})::text)::text || ':' || ({value})::text, '-')

-- name: row_hash
('x' || left(md5({texts}), 16))::bit(64)::bigint

-- name: sum_range
SELECT count(*) AS rows, coalesce(sum({hash}), 0)::text AS hash FROM {table} AS t WHERE {range}

-- name: find_bound
SELECT ARRAY[{key_texts}] AS key FROM {table} AS t WHERE {range} ORDER BY {keys} OFFSET %(rows)s LIMIT 1

-- name: list_range
SELECT ARRAY[{key_texts}] AS key, {hash} AS hash FROM {table} AS t WHERE {range}

-- name: read_keys
SELECT ARRAY[{key_texts}] AS key, {hash} AS hash FROM {table} AS t WHERE ({keys}) IN ({tuples})
