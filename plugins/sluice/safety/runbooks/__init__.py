"""What to do on the bad days, from the names, the numbers and the drills of this estate: Markdown for whoever is woken."""
