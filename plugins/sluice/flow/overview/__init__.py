"""The overview with Airflow's connections in it: what refreshes it, and what answers from it."""
