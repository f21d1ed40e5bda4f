"""The served memory game: a study in a folder, played in browsers, its responses in a database.

`study` creates and opens the folder, `app` serves it, `report` and `export` read its results, `play` plays it with
simulated participants. Needs the extra `study`.
"""
