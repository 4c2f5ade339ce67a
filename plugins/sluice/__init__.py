"""Sluice moves, keeps and proves a database estate. ARCHITECTURE.md draws the rooms."""
