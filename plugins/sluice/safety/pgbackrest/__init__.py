"""A PostgreSQL server by pgBackRest, driven from outside: its configuration, its repository and its retention stay its own.

What is added is the proof: a drill, a certificate and a trend, and three looks that pgBackRest does not take: whether the log has
a gap, whether each file of it is the one that was archived, and whether the moment that was asked for was reached.
"""
