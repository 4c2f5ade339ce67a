-- What every session of Sluice is set to.

-- name: pin
SELECT set_config(key, value, false) FROM jsonb_each_text(%(settings)s)
