"""The served memory game: a study in a folder, played in browsers, its answers in a database.

`study` makes and opens the folder, `app` serves it, `report` and `export` tell what came of it; `play` plays it with
simulated participants. Needs the extra `study`.
"""
