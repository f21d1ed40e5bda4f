"""The two-step memory game that collects memorability annotations: design, schedule, scoring, simulation."""
