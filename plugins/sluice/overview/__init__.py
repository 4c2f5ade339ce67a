"""Where the estate stands: one module an answer, the same for the console, the terminal and programs. Read only, no Airflow.

Everything is read from the ledger, so that a page opens as fast when a store is down as when it is up. What the ledger does not
know by itself (how far a copy is, which months there are, what the vault holds) a look of `refresh_overview` leaves there.
"""
