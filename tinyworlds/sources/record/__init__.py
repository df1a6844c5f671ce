"""Live games to gameplay files, played by policies or by a person, in several processes."""
