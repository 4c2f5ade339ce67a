"""Months that are old enough: detached, stored in the vault, read back, dropped once they have cooled, and brought back."""
