"""Creative tools: each one file, a function of a generator and audio, and an edit of the one sampling loop (`generation.Edit`)."""
