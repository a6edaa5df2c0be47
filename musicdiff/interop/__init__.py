"""Interop: networks of other libraries, read from their folders and written to them, without those libraries."""
