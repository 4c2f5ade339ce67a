"""The sample's database, as the demos on PostgreSQL begin on it."""
