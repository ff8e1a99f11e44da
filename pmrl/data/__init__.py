"""Data sets: what one is, the feature store, the encoders, the built-in sources, and data of the user's own."""
