"""Codes of all frames, computed once before dynamics are trained on them."""
