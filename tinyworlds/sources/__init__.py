"""Where gameplay comes from: live games, videos, the net."""
