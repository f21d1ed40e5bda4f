"""Videos of many shots: where the shots are, how memorable each is, and what to make of it."""
