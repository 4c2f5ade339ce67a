"""Capacity: what each store holds, how it grows and when it will be full, by the very numbers of the last report."""
