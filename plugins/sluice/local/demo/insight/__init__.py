"""The capacity report over a year of generated days."""
