"""Data sets: the feature-store format, the encoders, and one module per source."""
