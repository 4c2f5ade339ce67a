-- What every session of Sluice is set to.

-- name: pin
SELECT set_config(key, value, false) FROM jsonb_each_text(%(settings)s)

-- name: pin_until_commit
SELECT set_config(key, value, true) FROM jsonb_each_text(%(settings)s)

-- name: find_server
-- Which process serves us: behind a pooler it is another than the one that was promised when the session began.
SELECT pg_backend_pid() AS pid
