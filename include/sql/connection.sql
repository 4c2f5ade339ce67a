-- What every session of Sluice is set to.

-- name: pin
SELECT set_config(%(name)s, %(value)s, false)
