"""Vocoders: log-mel -> audio. One file, one vocoder: `plugins.load('vocoders', name).build(spec, **options)`."""
