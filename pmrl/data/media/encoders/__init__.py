"""Named encoders, one file each."""
