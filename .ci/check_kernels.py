"""The kernels of an installed wheel beside PyTorch's own operations; the workflow runs it on every system."""

import os

import torch

from tinyworlds import VideoTokenizer, World
from tinyworlds.nn.kernels.loading import load_kernel
from tinyworlds.nn.kernels.prebuilt import all_kernels, find_prebuilt

WAYS = ("prebuilt", "0")  # values of TINYWORLDS_NATIVE


def dreamt(way: str) -> torch.Tensor:
    """Frames of a shipped world under fixed keys, the likeliest codes."""
    os.environ["TINYWORLDS_NATIVE"] = way
    world = World.load("doom", temperature=0.0)
    frames = [world.reset(seed=0), *(world.step(number % 4) for number in range(12))]
    return torch.stack([torch.from_numpy(frame) for frame in frames])


def gradients(way: str, architecture: str) -> list[torch.Tensor]:
    """Of a small tokenizer's loss."""
    os.environ["TINYWORLDS_NATIVE"] = way
    torch.manual_seed(0)
    network = VideoTokenizer(
        architecture=architecture, frame_size=32, embed_dim=32, num_heads=8, hidden_dim=64, num_blocks=1
    )
    network.loss(torch.rand(2, 4, 3, 32, 32) * 2 - 1)["loss"].backward()
    return [weight.grad for weight in network.parameters() if weight.grad is not None]


def main() -> None:
    """Compare; an AssertionError says what differs."""
    kernels = [*all_kernels()]
    os.environ["TINYWORLDS_NATIVE"] = "prebuilt"
    for name, constants in kernels:
        assert find_prebuilt(name, constants) is not None, f"the wheel has no {name} {constants}"
        assert load_kernel(name, constants) is not None
    ours, theirs = map(dreamt, WAYS)
    share = (ours == theirs).float().mean().item()
    assert share > 0.98, f"{share:.1%} of the pixels of a dream agree"
    for architecture in ("v1", "v2"):
        for own, other in zip(*(gradients(way, architecture) for way in WAYS), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-5)
    print(f"{len(kernels)} kernels, a dream alike in {share:.2%} of its pixels, gradients alike")


if __name__ == "__main__":
    main()
