"""How the codes of trained dynamics are drawn: ``sampling.json`` beside their checkpoints.

Whatever reads a run, be it a report, an export or a player, draws as was chosen for it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.checkpoints.search import Located
from tinyworlds.errors import TinyWorldsError
from tinyworlds.models.maskgit import Sampling
from tinyworlds.system.documents import read_json
from tinyworlds.system.files import write_text
from tinyworlds.world.header import PLAY, check

SAMPLING_FILE = "sampling.json"


def stored_sampling(dynamics: Located) -> Sampling | None:
    """What was chosen for this very network; None where nothing was, or it cannot be read.

    Args:
        dynamics: a checkpoint of a run of ours.
    """
    if dynamics.version is None or not (dynamics.version / SAMPLING_FILE).is_file():
        return None
    try:
        content = read_json(dynamics.version / SAMPLING_FILE)
        if content["dynamics"] != fingerprint(dynamics.network):
            return None
        check(content["sampling"], PLAY)
        return Sampling(**content["sampling"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TinyWorldsError):
        return None


def store_sampling(dynamics: Located, sampling: Sampling, chosen: Mapping[str, Any]) -> None:
    """Note how codes of this network are to be drawn.

    Args:
        dynamics: a checkpoint; nothing is noted of one that lies in no run of ours.
        sampling: how.
        chosen: how that was found, plain values.

    Raises:
        StorageError: it cannot be written.
    """
    if dynamics.version is None:
        return
    content = {
        "schema_version": 1,
        "dynamics": fingerprint(dynamics.network),
        "sampling": dataclasses.asdict(sampling),
        "chosen": dict(chosen),
    }
    write_text(dynamics.version / SAMPLING_FILE, json.dumps(content, indent=2) + "\n")
