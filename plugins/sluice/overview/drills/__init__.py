"""Drills: how long each store would take to come back, what would be lost, and how that goes over a year."""
