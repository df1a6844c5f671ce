"""The facade: a world that can be loaded, played and made an environment."""
