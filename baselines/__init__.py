"""Baselines: one file is one method (see baselines/README.md)."""
