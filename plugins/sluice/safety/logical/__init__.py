"""Any PostgreSQL that can be reached, by pg_dump and pg_restore: one database, as of the moment of a snapshot."""
