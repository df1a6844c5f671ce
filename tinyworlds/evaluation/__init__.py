"""Measuring a world: figures, the report, its pictures."""
