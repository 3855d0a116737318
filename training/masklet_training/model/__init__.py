"""The compact network: a small SAM 3 built for the Model Pack contract."""
