"""The styles of the built-in songs: one file, one `STYLE`."""
