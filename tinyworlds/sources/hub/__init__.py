"""Public files: data sets, weights and worlds, fetched whole or not at all, and checked."""
