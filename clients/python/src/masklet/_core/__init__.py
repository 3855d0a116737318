"""The protocol without input and output: messages in, messages out."""
