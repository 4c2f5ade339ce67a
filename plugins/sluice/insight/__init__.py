"""How an estate does: what is measured, what it will need, what it costs, what is wrong, how far it should be scaled."""
