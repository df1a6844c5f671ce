"""Which device runs a network: Apple's only when it is named."""

import pytest
import torch

from tinyworlds.errors import ConfigError
from tinyworlds.nn import devices


@pytest.mark.usefixtures("as_mac")
def test_apples_gpu_only_when_it_is_named() -> None:
    assert devices.pick_device("auto").type == "cpu"
    assert devices.pick_device("mps").type == "mps"
    assert not devices.has_fast_bf16(torch.device("mps"))
    assert not devices.use_bf16(torch.device("mps"), "auto")


def test_without_apples_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="--device cpu"):
        devices.pick_device("mps")
