"""A restore done for proof: to a moment that was drawn, timed by phase, compared, certified, and taken away again."""
