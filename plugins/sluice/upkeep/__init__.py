"""What keeps a table in order while nobody migrates it: partitions made ahead, months archived, the vault they lie in."""
