"""Partitions of the months to come: seen in the catalogue, planned, made, and looked at again."""
