"""Real checkpoints of `transformers` into packs that the server runs."""
