-- The database's clock, which everything goes by: a machine's own may be wrong.

-- name: find_now
SELECT clock_timestamp() AS now
