"""Doom, defend the line; records from the real engine: ``python -m games.doom``.

Turning moves the whole picture and has no momentum, so a few minutes of play show what each key does. In the
`basic` scenario the same three buttons step sideways in a wide room: a frame moves by a fraction of a pixel.
"""

from games.spec import GameSpec

SPEC = GameSpec(
    name="doom",
    title="Doom (defend the line)",
    data_file="data/doom_frames.h5",
    frame_size=64,
    fps=8.75,
    num_actions=4,
    key_map={"s": 0, "space": 1, "d": 2, "a": 3},
    action_names=("noop", "attack", "turn_right", "turn_left"),
    env_id="VizdoomDefendLine-v1",
    frame_skip=4,
    art="Freedoom (BSD 3-clause), played by ViZDoom (MIT)",
)

if __name__ == "__main__":
    from tinyworlds.commands.play import play_game

    raise SystemExit(play_game(SPEC))
