"""What can be heard in audio that nobody labelled: tempo, key, and tags; and the sidecars that say so."""

from musicdiff.tagging.source import LEAST, Report, render, tag

__all__ = ["LEAST", "Report", "render", "tag"]
