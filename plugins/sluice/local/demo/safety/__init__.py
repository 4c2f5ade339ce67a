"""The demo of backups: taken under load, drilled to moments of every kind, and brought back after a mistake."""
