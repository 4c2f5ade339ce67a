-- The console of PgBouncer. It takes one word after another, and no values.

-- name: pause
PAUSE {database}

-- name: resume
RESUME {database}

-- name: reload
RELOAD

-- name: list_databases
SHOW DATABASES

-- name: list_pools
SHOW POOLS
