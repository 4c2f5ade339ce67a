"""The sample estate `tyler`: five legacy DynamoDB tables as dirty as real ones, the application that writes them, its oracle.

`python -m sluice.local.tyler` is the application as a process; the demo starts it, seeds its tables and judges in the end.
"""
