"""From a run, or from anything that holds trained networks, to a world."""
