"""DreamerV3 (https://arxiv.org/abs/2301.04104): an agent that learns inside its own dream."""
