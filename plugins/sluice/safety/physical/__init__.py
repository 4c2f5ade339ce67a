"""A PostgreSQL server by its own tools: pg_basebackup, increments, the log as it comes, and recovery to any moment."""
