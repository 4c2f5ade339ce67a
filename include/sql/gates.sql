-- What a gate reads of a live table. Read only.
-- `window` and `newest_of_window` are handed to Great Expectations as text: their values are literals, and they must
-- begin with SELECT (no comment).

-- name: guard_session
-- A gate may neither write nor hold a live database up. `timeout` is a PostgreSQL interval, e.g. 60s.
SELECT set_config('default_transaction_read_only', 'on', false), set_config('statement_timeout', %(timeout)s, false)

-- name: find_newest
-- One row of the far future must not push everything else out of the window.
SELECT max({column}) AS newest FROM {table} WHERE {column} <= %(now)s

-- name: window
SELECT * FROM {table}
WHERE {column} > {newest} - make_interval(days => {days}) AND {column} <= {newest}

-- name: newest_of_window
SELECT * FROM ({window}) AS w ORDER BY {column} DESC LIMIT {rows_at_most}

-- name: some_rows
SELECT * FROM {table} LIMIT {rows_at_most}

-- name: count_window
SELECT count(*) AS rows FROM ({window}) AS w

-- name: count_ahead
SELECT count(*) AS rows FROM {table} WHERE {column} > %(now)s + make_interval(days => %(days)s)

-- name: sample_ahead
SELECT {columns} FROM {table} WHERE {column} > %(now)s + make_interval(days => %(days)s)
ORDER BY {column} DESC LIMIT %(rows)s

-- name: as_text
-- Python has no timestamp of infinity: keys of rows far ahead are read as text.
({column})::text AS {column}
