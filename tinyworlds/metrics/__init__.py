"""Figures: likeness of frames, use of codes and actions, intervals."""
