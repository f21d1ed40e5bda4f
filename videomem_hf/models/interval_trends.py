"""How far the trend of the expected error with the score is followed; without PyTorch."""

TREND_REACH = 2.0
"""Standard deviations of the scores up to which the trend of the expected error is followed."""
