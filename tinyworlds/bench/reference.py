"""The yardstick: v1 written plainly from its description, apart from the library.

Speed is reported as a ratio to this, both timed in turn in one run (`tinyworlds.bench.pairing`), because
machines are noisy; tests hold the library's numbers against it. Attention is written out, the context runs
again at each decoding step, every frame is decoded and encoded again, and the frozen stages run at every
update. How somebody who knows PyTorch would run the same code is in `tinyworlds.bench.competent`.

    tokenizer = build("video_tokenizer", config, state)
    world = ReferenceWorld(tokenizer, build("dynamics", config, state))
    world.reset(frames)
    frame = world.step(action_id=3)
"""

from __future__ import annotations

from tinyworlds.bench.reference_blocks import use_sdpa
from tinyworlds.bench.reference_networks import (
    NETWORKS,
    ReferenceActions,
    ReferenceDynamics,
    ReferenceTokenizer,
    build,
)
from tinyworlds.bench.reference_play import ReferenceWorld, decode
from tinyworlds.bench.reference_tokens import code_vectors
from tinyworlds.bench.reference_training import (
    LEARNING_RATES,
    dynamics_loss,
    dynamics_step,
    latent_actions_step,
    make_optimizer,
    random_mask,
    tokenizer_step,
)

__all__ = [
    "LEARNING_RATES",
    "NETWORKS",
    "ReferenceActions",
    "ReferenceDynamics",
    "ReferenceTokenizer",
    "ReferenceWorld",
    "build",
    "code_vectors",
    "decode",
    "dynamics_loss",
    "dynamics_step",
    "latent_actions_step",
    "make_optimizer",
    "random_mask",
    "tokenizer_step",
    "use_sdpa",
]
