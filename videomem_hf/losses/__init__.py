"""Losses for memorability scores: regression, ranking and binomial likelihood."""
