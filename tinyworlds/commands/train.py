"""``tinyworlds train GAME``: train the three stages of a game in order, resumable."""

from __future__ import annotations

from tinyworlds.errors import ConfigError
from tinyworlds.fit.pipeline import make_plan, train

HELP = """usage: tinyworlds train GAME [--run DIR] [--config OVERLAY.yaml] [--fresh] [SETTINGS]

Train the tokenizer, the latent actions and the dynamics of a game, in this order. Call it again to go on.

  GAME              a title (python -m games lists them, yours from `tinyworlds ingest` too), or any name
                    together with --data.files FILE
  --run DIR         run folder (default: lightning_logs/GAME)
  --config FILE     settings over those of configs/GAME_*.yaml; keys video_tokenizer, latent_actions,
  dynamics in it
                    hold settings for one stage
  --fresh           train all stages again, as new versions
  SETTINGS          as for `tinyworlds fit`: --data.batch_size 16, --trainer.max_steps 500,
  --model.learning_rate 1e-3;
                    for one stage: --dynamics.trainer.max_steps 500"""


def main(argv: list[str]) -> int:
    """Run ``tinyworlds train``."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP)
        return 0 if argv else ConfigError.exit_code
    return train(make_plan(argv))
