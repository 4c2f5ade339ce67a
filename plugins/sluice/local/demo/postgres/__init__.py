"""The demo on PostgreSQL: two tables become monthly partitions, there and back, and the old ones are retired."""
