"""Hand-made networks with the methods of the real ones: a world that is known exactly.

A bright 4x4 patch walks over a 16x16 frame: action 0 stays, 1 goes right, 2 left, 3 down (with wrap-around).
"""

import torch
from torch import nn

PATCH, GRID, SIZE = 4, 4, 16
SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0))  # (down, right) for each action


class FakeTokenizer(nn.Module):
    """A code for each patch: 0 dark to 3 bright, by its mean."""

    per_frame = True
    num_codes = 4
    num_patches = GRID**2

    def __init__(self):
        super().__init__()
        self.config = {"frame_size": SIZE, "patch_size": PATCH}
        self.gain = nn.Parameter(torch.ones(()))

    def encode(self, frames):
        patches = frames.unflatten(-1, (GRID, PATCH)).unflatten(-3, (GRID, PATCH)).mean(dim=(-5, -3, -1))
        return ((patches.flatten(-2) + 1) * 1.5).round().long().clamp(0, 3)

    def decode(self, ids):
        values = (ids.unflatten(-1, (GRID, GRID)).float() / 1.5 - 1) * self.gain * 1.2
        pixels = values.repeat_interleave(PATCH, -1).repeat_interleave(PATCH, -2)
        return pixels.unsqueeze(-3).expand(*pixels.shape[:-2], 3, SIZE, SIZE)

    def forward(self, frames):
        return self.decode(self.encode(frames))


def moved(ids, action):
    """The codes [P] or [B, P] after one action."""
    grid = ids.unflatten(-1, (GRID, GRID))
    return grid.roll(SHIFTS[action], dims=(-2, -1)).flatten(-2)


class FakeActions(nn.Module):
    """Finds the action whose shift explains the next frame."""

    num_actions = 4

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))  # networks are where their weights are

    def encode(self, frames):
        ids = FakeTokenizer().encode(frames)
        wrong = [(moved(ids[:, :-1], a) != ids[:, 1:]).sum(-1) for a in range(4)]
        return torch.stack(wrong, -1).argmin(-1)


class Follow(nn.Module):
    """Logits of what follows the codes of the frame before, [B, T, P], under actions [B, T]."""

    slides = True

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, previous_ids, condition, memory):
        actions = getattr(condition, "vectors", condition)
        options = torch.stack([moved(previous_ids, a) for a in range(4)], 2)  # [B, T, 4, P]
        index = actions[..., None, None].expand(-1, -1, 1, options.shape[-1])
        known = options.gather(2, index)[:, :, 0].clamp_max(3)
        return nn.functional.one_hot(known, 4) * self.scale


class FakeDynamics(nn.Module):
    """Knows what follows: the last frame, moved by the action."""

    num_codes = mask_id = 4
    num_patches = GRID**2
    num_actions = 4
    context_frames, num_past = 4, 3
    joint_horizon = False
    ranks_drawn_codes = True
    outcomes = None

    def __init__(self):
        super().__init__()
        self.transformer = Follow()
        self.output = nn.Linear(4, 4)
        nn.init.eye_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def check_shapes(self, ids, action_ids):
        pass

    def token_input(self, ids, previous_ids):
        return previous_ids  # all it looks at

    def conditioning(self, action_ids, ids):
        """The action that led to each frame, [B, T]; 0 where none did."""
        batch, length, _ = ids.shape
        given = ids.new_zeros(batch, 0) if action_ids is None else action_ids
        return nn.functional.pad(given, (length - given.shape[1], 0))


def walk(batch=2, length=12, seed=0, actions=None):
    """True clips: float frames [B, T, 3, 16, 16] in [-1, 1] and the actions [B, T] taken at each frame."""
    generator = torch.Generator().manual_seed(seed)
    if actions is None:
        actions = torch.randint(4, (batch, length), generator=generator)
    tokenizer = FakeTokenizer()
    clips = []
    for b in range(batch):
        ids = torch.zeros(GRID**2, dtype=torch.int64)
        ids[torch.randint(GRID**2, (1,), generator=generator)] = 3
        rows = [ids]
        for t in range(length - 1):
            rows.append(moved(rows[-1], int(actions[b, t])))
        clips.append(torch.stack(rows))
    return tokenizer.decode(torch.stack(clips)).clamp(-1, 1).detach(), actions
