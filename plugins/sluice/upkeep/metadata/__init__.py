"""Airflow's own database: backed up, restored for a trial, and kept small."""
