"""What every way into a PostgreSQL table has in common, wherever its rows come from."""
