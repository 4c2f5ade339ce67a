"""When something that grows will be full: from a value a day to days left, as a range that holds as often as it says."""
