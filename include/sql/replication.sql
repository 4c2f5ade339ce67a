-- What a session that replicates may ask: PostgreSQL's own commands, no SQL. Without values: it knows no other way of asking.

-- name: identify
IDENTIFY_SYSTEM

-- name: show_history
TIMELINE_HISTORY {timeline}

-- name: stream_log
START_REPLICATION PHYSICAL {place} TIMELINE {timeline}
