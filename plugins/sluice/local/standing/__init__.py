"""Where the estate stands, at a terminal: the console's answers as tables, or as JSON."""
