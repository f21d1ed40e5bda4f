"""Which videos the next participant gets: the policies, when a study stops by itself, and the log of decisions."""
