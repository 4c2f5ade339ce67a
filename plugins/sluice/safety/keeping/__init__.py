"""Which backups stay, how long, how firmly and where else; and the proof that what is kept could not rot unseen."""
