"""The compact network: a small SAM 3 for the Model Pack contract."""
