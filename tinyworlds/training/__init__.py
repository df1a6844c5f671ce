"""How networks are trained: optimizers, strategies, averaging, loggers; the stages are in `stages`."""
