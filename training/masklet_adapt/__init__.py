"""Packs from ONNX files that others have published: composed offline, without PyTorch and without exporting anew."""
