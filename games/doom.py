"""Doom, one room and one monster; records from the real engine: ``python -m games.doom``."""

from games.spec import GameSpec

SPEC = GameSpec(
    name="doom",
    title="Doom (basic)",
    data_file="data/doom_frames.h5",
    frame_size=64,
    fps=8.75,
    num_actions=4,
    key_map={"s": 0, "space": 1, "d": 2, "a": 3},
    action_names=("noop", "attack", "move_right", "move_left"),
    env_id="VizdoomBasic-v1",
    frame_skip=4,
)

if __name__ == "__main__":
    import sys

    from tinyworlds.play.cli import play_game

    sys.exit(play_game(SPEC))
