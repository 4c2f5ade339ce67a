"""How far a store should be scaled, by what was measured: proposed, shown, and done after a person's yes."""
