"""Exports checkpoints of `transformers` to packs for the server."""
