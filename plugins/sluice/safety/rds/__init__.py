"""A PostgreSQL store in RDS: snapshots, and copies as of a moment, each setting the original's or meant to be another."""
