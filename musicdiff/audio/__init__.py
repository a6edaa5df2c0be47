"""Audio: files (io), Fourier transforms (stft), log-mels (mel), pictures of them (picture), defects of signals (quality)."""
