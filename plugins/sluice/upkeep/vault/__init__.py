"""The bucket that months lie in: versions, locks and what becomes of the old, planned, set, and read back."""
