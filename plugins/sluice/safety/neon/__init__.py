"""A database at Neon: branches of the platform's own history for a copy within it, dumps in our vault for all else."""
