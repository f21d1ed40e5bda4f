"""Predictors on the user's data: evaluation of one, and Table 1 of the paper."""
