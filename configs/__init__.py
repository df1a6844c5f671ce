"""Training configurations, one YAML per game and stage."""
