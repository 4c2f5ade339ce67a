"""Records of a single-table design: their old months into the vault, out of the table, and back."""
