"""Songs made from nothing but an index: composed, performed, synthesised and mixed.

song = compose(plan_song(7)); audio = render(song, sample_rate=44100, channels=2)  # float32 [N, 2]
"""

from musicdiff.data.songs.composition import VERSION, compose, describe, list_styles, plan_song
from musicdiff.data.songs.drums import strike
from musicdiff.data.songs.instruments import play
from musicdiff.data.songs.mix import render

__all__ = ["VERSION", "compose", "describe", "list_styles", "plan_song", "play", "render", "strike"]
