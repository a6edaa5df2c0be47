"""What a run leaves to hear and see: audio with its provenance and picture, and one page that plays it all."""

from musicdiff.artifacts.clips import Clip, read_clips, save_clips
from musicdiff.artifacts.page import Group, find_groups, rebuild_page, save_page

__all__ = ["Clip", "Group", "find_groups", "read_clips", "rebuild_page", "save_clips", "save_page"]
