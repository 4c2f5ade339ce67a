"""Servers that follow another: how well they do, which of them is promoted when the other is gone, and what is proven then."""
