"""Backups of whole stores, and the proof that they restore: taken, verified, restored for a drill, and for the real day."""
