"""Embeddings: audio as windows, and each window as a vector. One file, one published network with its protocol."""
