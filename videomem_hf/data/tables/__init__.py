"""One's own table of scores, and the published sets that are one: reading any format, columns, media, splits."""
