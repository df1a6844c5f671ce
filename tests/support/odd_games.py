"""Environments of other habits than gymnasium's; importing this module registers each as ``NAME-v0``."""

import decimal
import importlib

import gymnasium as gym
import numpy as np
from PIL import Image

SPACES = gym.spaces
BYTES = SPACES.Box(0, 255, (64, 48, 3), np.uint8)


def picture(step=0):
    """What all of them show: dark red with a white square that moves."""
    shown = np.zeros((64, 48, 3), np.uint8)
    shown[..., 0] = 40
    shown[20:30, 5 + step : 15 + step] = 255
    return shown


class Rendered(gym.Env):
    """Draws itself; its observation is no picture."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012
    action_space = SPACES.Discrete(3)
    observation_space = SPACES.Box(-1, 1, (4,), np.float32)
    reward, ends = 1.0, (False, False)

    def __init__(self, render_mode=None):
        self.render_mode, self.steps = render_mode, 0

    def see(self):
        return np.zeros(4, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.see(), {}

    def step(self, action):
        self.steps += 1
        return self.see(), self.reward, *self.ends, {}

    def render(self):
        return self.shape(picture(self.steps))

    def shape(self, shown):
        return shown


class Observed(Rendered):
    """Its observation is the picture; it cannot draw."""

    metadata = {"render_modes": []}  # noqa: RUF012
    observation_space = BYTES

    def see(self):
        return self.shape(picture(self.steps))


def rendered(shape):
    return type("Odd", (Rendered,), {"shape": lambda self, shown: shape(shown)})


def observed(space, shape):
    return type("Odd", (Observed,), {"shape": lambda self, shown: shape(shown), "observation_space": space})


def played(**parts):
    return type("Odd", (Rendered,), parts)


def box(*shape, low=0, high=255, dtype=np.uint8):
    return SPACES.Box(low, high, shape, dtype)


def grey(shown):
    return shown[..., 1]


def unit(shown):
    return (shown / 255).astype(np.float32)


def with_alpha(shown, alpha):
    return np.dstack([shown, np.broadcast_to(alpha, shown.shape[:2])]).astype(np.uint8)


SAME = {  # all of these show `picture`
    "Plain": Rendered,
    "Observed": Observed,
    "RenderUnit": rendered(lambda shown: shown.astype(np.float32) / 255),
    "RenderHalf": rendered(lambda shown: (shown / 255).astype(np.float16)),
    "RenderFloat": rendered(lambda shown: shown.astype(np.float64)),
    "RenderInt": rendered(lambda shown: shown.astype(np.int64)),
    "RenderDeep": rendered(lambda shown: shown.astype(np.uint16) * 257),
    "RenderAlpha": rendered(lambda shown: with_alpha(shown, grey(shown))),
    "RenderFirst": rendered(lambda shown: shown.transpose(2, 0, 1)),
    "RenderList": rendered(lambda shown: [shown * 0, shown]),
    "RenderNested": rendered(lambda shown: shown.tolist()),
    "RenderImage": rendered(Image.fromarray),
    "RenderImageAlpha": rendered(lambda shown: Image.fromarray(shown).convert("RGBA")),
    "RenderTensor": rendered(lambda shown: importlib.import_module("torch").from_numpy(shown)),
    "RenderStrided": rendered(lambda shown: np.asfortranarray(shown)),
    "RenderReadOnly": rendered(lambda shown: np.frombuffer(shown.tobytes(), np.uint8).reshape(shown.shape)),
    "ObsFirst": observed(box(3, 64, 48), lambda shown: shown.transpose(2, 0, 1)),
    "ObsUnit": observed(box(64, 48, 3, high=1, dtype=np.float32), unit),
    "ObsFloat": observed(box(64, 48, 3, dtype=np.float32), lambda shown: shown.astype(np.float32)),
    "ObsBothSigns": observed(
        box(3, 64, 48, low=-1, high=1, dtype=np.float32),
        lambda shown: (shown.transpose(2, 0, 1) / 127.5 - 1).astype(np.float32),
    ),
    "ObsAlpha": observed(box(64, 48, 4), lambda shown: with_alpha(shown, 255)),
    "ObsStackOfColours": observed(box(4, 64, 48, 3), lambda shown: np.stack([shown * 0] * 3 + [shown])),
    "ObsStackFirst": observed(
        box(2, 3, 64, 48), lambda shown: np.stack([shown * 0, shown]).transpose(0, 3, 1, 2)
    ),
    "ObsKey": observed(
        SPACES.Dict(state=box(3), pov=BYTES), lambda shown: {"state": np.zeros(3, np.uint8), "pov": shown}
    ),
    "ObsUsualKey": observed(
        SPACES.Dict(map=BYTES, rgb=BYTES), lambda shown: {"map": shown * 0, "rgb": shown}
    ),
    "ObsInside": observed(
        SPACES.Dict(eyes=SPACES.Dict(left=BYTES), speed=SPACES.Discrete(2)),
        lambda shown: {"eyes": {"left": shown}, "speed": 0},
    ),
    "ObsTuple": observed(SPACES.Tuple((SPACES.Discrete(2), BYTES)), lambda shown: (0, shown)),
}  # fmt: skip
GREY = {  # and of these, its green in grey
    "RenderGrey": rendered(grey),
    "RenderGreyLast": rendered(lambda shown: grey(shown)[..., None]),
    "RenderGreyFirst": rendered(lambda shown: grey(shown)[None]),
    "RenderBool": rendered(lambda shown: grey(shown) > 0),
    "RenderImageGrey": rendered(lambda shown: Image.fromarray(grey(shown))),
    "ObsStack": observed(box(4, 64, 48), lambda shown: np.stack([grey(shown) * 0] * 3 + [grey(shown)])),
    "ObsStackUnit": observed(
        box(5, 64, 48, high=1, dtype=np.float32),
        lambda shown: unit(np.stack([grey(shown) * 0] * 4 + [grey(shown)])),
    ),
}
NO_PICTURE = {  # what the one line must say
    "RenderNone": (rendered(lambda shown: None), r"render\(\) gives None"),
    "RenderEmpty": (rendered(lambda shown: []), "float64 \\[0\\]"),
    "RenderText": (rendered(lambda shown: "###\n#.#"), "a str of 7"),
    "RenderDict": (rendered(lambda shown: {"rgb": shown}), "a dict of 1"),
    "RenderComplex": (rendered(lambda shown: shown * 1j), r"complex128 \[64, 48, 3\]"),
    "RenderLine": (rendered(lambda shown: shown[0, 0]), r"uint8 \[3\]"),
    "RenderNan": (rendered(lambda shown: shown * np.nan), "no numbers"),
    "RenderBothSigns": (rendered(lambda shown: shown / 127.5 - 1), "-1 to 1, which is not within 0 to 1"),
    "RenderTwo": (rendered(lambda shown: shown / 128.0), "0 to 1.99219, which is all but black"),
    "RenderIntOne": (rendered(lambda shown: (shown > 99).astype(int)), "from 0 to 1, which is all but black"),
    "RenderSixLayers": (rendered(lambda shown: np.dstack([shown, shown])), "no picture of 1, 3 or 4"),
    "RenderBroken": (played(render=lambda self: 1 / 0), r"ZeroDivisionError: .* \(odd_games.py, line \d+\)"),
    "ObsAmbiguous": (observed(box(64, 48, 4), lambda shown: with_alpha(shown, grey(shown))), "four grey"),
    "ObsTwelve": (observed(box(12, 64, 48), lambda shown: np.zeros((12, 64, 48), np.uint8)), "coloured"),
    "ObsWrongRange": (
        observed(box(64, 48, 3, dtype=np.float32), unit),
        "from 0 to 1, which is all but black if white is 255",
    ),
    "ObsNothing": (type("Odd", (Rendered,), {"metadata": {}}), r"it has observation: float32 \[4\]"),
    "ObsSeveral": (
        observed(SPACES.Dict(left=BYTES, right=BYTES), lambda shown: {"left": shown, "right": shown * 0}),
        "several pictures: left, right; choose with --picture left",
    ),
    "ObsEntryGone": (observed(SPACES.Dict(pov=BYTES), lambda shown: {"top": shown}), "only top"),
}  # fmt: skip
REWARDS = {
    "None": (None, 0.0), "Int": (3, 3.0), "Bool": (True, 1.0), "Numpy": (np.float64(0.5), 0.5),
    "Array": (np.array([2.0]), 2.0), "Scalar": (np.array(2), 2.0),
    "Decimal": (decimal.Decimal("0.25"), 0.25),
}  # fmt: skip
NO_REWARDS = {
    "Nan": np.nan, "Infinite": np.inf, "Huge": 1e300, "Complex": 1j, "Two": np.zeros(2),
    "Players": {"a": 1.0}, "Text": "1", "Empty": np.zeros(0),
}  # fmt: skip


def _wants(self, level, render_mode=None):
    Rendered.__init__(self, render_mode)
    if level == "bad":
        raise ValueError("no such\nlevel")
    self.level = level
    self.reward = {int: 1, float: 2, bool: 3, str: 4, list: 5, dict: 6, type(None): 7}[type(level)]


OLD = {  # other ways to be an environment
    "OldStep": played(step=lambda self, action: (*Rendered.step(self, action)[:2], False, {})),
    "OldReset": played(reset=lambda self: Rendered.reset(self)[0]),
    "OldAll": played(
        reset=lambda self: Rendered.reset(self)[0],
        step=lambda self, action: (*Rendered.step(self, action)[:2], False, {}),
        seed=lambda self, seed=None: [seed],
        render=lambda self, mode="human": picture(self.steps) if mode == "rgb_array" else None,
        metadata={"render.modes": ["human", "rgb_array"], "video.frames_per_second": 20},
        __init__=lambda self: setattr(self, "steps", 0),
    ),
    "NoSeed": played(reset=lambda self, options=None: Rendered.reset(self)),
    "NoOptions": played(reset=lambda self, seed=None: Rendered.reset(self, seed=seed)),
    "NoInfo": played(
        reset=lambda self, **_: (Rendered.reset(self)[0], None),
        step=lambda self, action: (*Rendered.step(self, action)[:4], None),
    ),
    "NoRenderMode": played(__init__=lambda self: setattr(self, "steps", 0)),
    "Grows": played(
        shape=lambda self, shown: np.kron(
            shown, np.ones((1 + self.steps % 3, 1 + self.steps % 2, 1), np.uint8)
        )
    ),
    "NoFps": played(metadata={"render_modes": ["rgb_array"], "render_fps": None}),
    "OddFps": played(metadata={"render_modes": ["rgb_array"], "render_fps": "fast"}),
}
ENDS = {
    "Bool": True,
    "Numpy": np.bool_(True),
    "Array": np.array([True]),
    "Number": 1,
}
BROKEN = {
    "ResetRaises": (played(reset=lambda self, **_: 1 / 0), r"reset\(\) raised ZeroDivisionError"),
    "StepRaises": (played(step=lambda self, action: [][9]), r"step\(\) raised IndexError.*\(odd_games.py"),
    "StepLeaves": (played(step=lambda self, action: exit(3)), r"step\(\) raised SystemExit"),
    "StepNothing": (played(step=lambda self, action: None), r"step\(\) returned NoneType"),
    "StepThree": (played(step=lambda self, action: (0, 0, False)), r"step\(\) returned 3 values"),
    "StepNeeds": (played(step=lambda self, action: __import__("no_such_thing")), "pip install no_such_thing"),
    "EndOfPlayers": (played(ends=({"a": True}, False)), "end of the episode"),
    "NoActions": (played(action_space=None), "has no action_space"),
    "TextActions": (played(action_space=SPACES.Text(5)), "Cannot list the actions"),
    "ManyActions": (played(action_space=SPACES.Discrete(10**9)), "more than 10,000"),
    "MadeRaises": (played(__init__=lambda self, render_mode=None: 1 / 0), "made: ZeroDivisionError"),
    "MadeNeeds": (
        played(__init__=lambda self, render_mode=None: __import__("no_such_thing.part")),
        "needs the module 'no_such_thing', which is not installed; try: pip install no_such_thing",
    ),
}  # fmt: skip
LEVEL = played(__init__=_wants)
ALL = {
    **SAME, **GREY, **OLD, "Level": LEVEL,
    **{name: game for name, (game, _) in (NO_PICTURE | BROKEN).items()},
    **{f"Reward{name}": played(reward=reward) for name, (reward, _) in REWARDS.items()},
    **{f"NoReward{name}": played(reward=reward) for name, reward in NO_REWARDS.items()},
    **{f"End{name}": played(ends=(end, None)) for name, end in ENDS.items()},
}  # fmt: skip

for _name, _game in ALL.items():
    gym.register(f"{_name}-v0", _game, max_episode_steps=50)
