"""Sonic the Hedgehog, running sideways: ``python -m games.sonic``."""

from games.spec import GameSpec

SPEC = GameSpec(
    name="sonic",
    title="Sonic the Hedgehog",
    data_file="data/sonic_frames.h5",
    frame_size=64,
    fps=15.0,
    num_actions=16,
    key_map={"a": 0, "d": 1, "s": 2, "w": 3, "space": 3},
    skip_frames=100,
    public_file="sonic_frames.h5",
)

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
