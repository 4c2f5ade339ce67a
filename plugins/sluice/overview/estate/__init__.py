"""The estate at a glance: of each store what would be lost if it died now, when it is full, and what is wrong with it."""
