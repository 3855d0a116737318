"""Composes packs from published ONNX files, offline, without PyTorch and without a new export."""
