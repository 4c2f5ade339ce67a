"""What the estate costs now and in 90 days, from low to high, and what would save. Pure, but for reading prices from YAML."""
