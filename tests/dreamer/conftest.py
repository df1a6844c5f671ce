"""One small training that several tests look at."""

import pytest
from small_agents import fit


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Version folder of a training of 40 updates without a stop."""
    return fit(tmp_path_factory.mktemp("whole"), "--trainer.max_steps=40")
