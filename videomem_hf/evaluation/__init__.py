"""From predictions and measured scores to figures: correlations, intervals, ceilings, baselines, submissions."""
