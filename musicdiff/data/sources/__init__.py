"""One file a kind of source: `build(argument)` makes a TrackSource of what follows the colon in 'kind:argument'."""
