-- What was proposed to be scaled, and what was, in the ledger's own database: schema insight.

-- name: begin_step
-- Noted before it is asked for: a rule rests even where the answer was lost. Another try finds it, and gets no row; what was
-- refused since is asked for anew.
INSERT INTO insight.scaling (store, run, step, seal, rule, way, action, subject, before, after, why)
VALUES (%(store)s, %(run)s, %(step)s, %(seal)s, %(rule)s, %(way)s, %(action)s, %(subject)s, %(before)s, %(after)s, %(why)s)
ON CONFLICT (store, run, seal, step) DO UPDATE SET begun_at = now(), refused_at = NULL WHERE insight.scaling.refused_at IS NOT NULL
RETURNING id

-- name: refuse_step
UPDATE insight.scaling SET refused_at = now() WHERE store = %(store)s AND run = %(run)s AND seal = %(seal)s AND step = %(step)s

-- name: verify_steps
UPDATE insight.scaling SET verified_at = now()
WHERE store = %(store)s AND run = %(run)s AND seal = %(seal)s AND verified_at IS NULL AND refused_at IS NULL

-- name: find_last
-- When each rule has scaled last, each way. What was refused has scaled nothing.
SELECT rule, way, max(begun_at) AS at FROM insight.scaling WHERE store = %(store)s AND refused_at IS NULL GROUP BY rule, way

-- name: list_steps
SELECT store, rule, way, action, subject, before, after, why, begun_at, verified_at, refused_at
FROM insight.scaling WHERE begun_at >= %(start)s AND begun_at < %(end)s ORDER BY begun_at, id

-- name: keep_plan
INSERT INTO insight.scaling_plan (store, at, plan) VALUES (%(store)s, %(at)s, %(plan)s)
ON CONFLICT (store) DO UPDATE SET at = excluded.at, plan = excluded.plan WHERE insight.scaling_plan.at <= excluded.at

-- name: list_plans
SELECT store, at, plan FROM insight.scaling_plan ORDER BY store
