"""Atari Pong; records from the real game (`pip install tinyworlds[atari]`): ``python -m games.pong``."""

from games.spec import GameSpec

SPEC = GameSpec(
    name="pong",
    title="Pong",
    data_file="data/pong_frames.h5",
    frame_size=64,
    fps=15.0,
    num_actions=4,
    key_map={"space": 0, "w": 1, "s": 2},
    action_names=("noop", "right", "left"),
    env_id="ALE/Pong-v5",
    record_actions=("noop", "right", "left"),
    frame_skip=4,
    public_file="pong_frames.h5",
)

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
