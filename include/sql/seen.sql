-- What was last seen of each thing (schema overview of the ledger's own database).

-- name: record_found
INSERT INTO overview.seen (kind, subject, at, found, form, tried_at)
VALUES (%(kind)s, %(subject)s, %(at)s, %(found)s, %(form)s, %(at)s)
ON CONFLICT (kind, subject) DO UPDATE SET at = excluded.at, found = excluded.found, form = excluded.form, tried_at = excluded.tried_at, failed = NULL
WHERE overview.seen.tried_at <= excluded.tried_at

-- name: record_failed
INSERT INTO overview.seen (kind, subject, tried_at, failed) VALUES (%(kind)s, %(subject)s, %(at)s, %(failed)s)
ON CONFLICT (kind, subject) DO UPDATE SET tried_at = excluded.tried_at, failed = excluded.failed
WHERE overview.seen.tried_at <= excluded.tried_at

-- name: list_seen
SELECT subject, at, found, form, tried_at, failed FROM overview.seen WHERE kind = %(kind)s ORDER BY subject

-- name: find_seen
SELECT subject, at, found, form, tried_at, failed FROM overview.seen WHERE kind = %(kind)s AND subject = %(subject)s

-- name: forget_others
DELETE FROM overview.seen WHERE kind = %(kind)s AND subject <> ALL (%(subjects)s)
