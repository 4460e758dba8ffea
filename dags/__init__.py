"""Wiring only: what runs when, and in which order. The work is in `extractors`, `expectations` and `reports`."""
