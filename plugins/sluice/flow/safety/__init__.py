"""Backups and restores as Airflow runs them: take, ship the log, drill, bring back, take scratches away."""
