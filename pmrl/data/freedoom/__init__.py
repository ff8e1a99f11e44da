"""Short clips of the free games Freedoom 1 and 2, played by a seeded script: the raw files of ``freedoom``."""
