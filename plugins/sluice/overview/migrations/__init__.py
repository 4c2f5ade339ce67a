"""Migrations: where each stands, how its copy goes, what it wants of a person, and whether one can go back."""
