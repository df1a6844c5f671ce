"""Every file that a trained network lies in, and where such files lie in a run."""
