"""The upkeep demo: partitions made ahead, a year of an audit trail archived, proven and dropped, and a month brought back."""
