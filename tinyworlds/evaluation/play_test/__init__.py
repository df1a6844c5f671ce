"""What a player meets: which key can be read back from the dream, whether it lives, how far it drifts."""
