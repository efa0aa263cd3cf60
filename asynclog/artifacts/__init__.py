"""Artifacts of a run: its files under ``artifacts/``, how they come there, and how they are read.

    artifacts/content/<2 digits>/<digest>       a file's bytes, or a directory's listing: each once, whoever refers to it
    artifacts/versions/<name>/<version>.json    a version: written whole, then linked to its number, which it keeps
    artifacts/staging/<writer>/                 copies that are being made; swept when the writer begins again
    artifacts/lock                              held for a moment by whoever adds a version, or drops content

A version's file is the last to appear, so that whoever finds one finds all that it refers to.
"""
