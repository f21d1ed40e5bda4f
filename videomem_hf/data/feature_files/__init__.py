"""Reading the release's feature files into Arrow columns and NumPy matrices."""
