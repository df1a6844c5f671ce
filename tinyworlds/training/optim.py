"""Optimizers and the learning-rate schedule.

AdamW with decay on weight matrices only, or Muon for the matrices inside the network with AdamW for the rest
(embeddings, places, biases, norms, convolutions). Muon's updates are scaled to AdamW's, so one learning rate
serves both. AdamW steps all parameters in one kernel where torch has one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.nn.positions import LearnedPlace
from tinyworlds.training.muon import BatchedMuon

OPTIMIZERS = ("adamw", "muon")


def split_parameters(
    network: nn.Module, former: bool = False
) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Sort the trainable parameters of `network` into (matrices, other decayed, not decayed).

    Matrices are 2-D weights of layers. Tables, such as embeddings and learned places, are decayed but no
    matrices: a row is looked up, and turning all rows together means nothing. Biases, norms and every other
    vector are not decayed.

    Args:
        network: whose parameters.
        former: with learned places among the matrices, as in checkpoints before 2026-11-29.
    """
    tables = nn.Embedding if former else (nn.Embedding, LearnedPlace)
    looked_up = {id(p) for m in network.modules() if isinstance(m, tables) for p in m.parameters()}
    matrices, decayed, plain = [], [], []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        is_vector = sum(size > 1 for size in parameter.shape) < 2
        if is_vector or name.endswith("bias") or "norm" in name.rsplit(".", 2)[-2:][0]:
            plain.append(parameter)
        elif parameter.ndim == 2 and id(parameter) not in looked_up and name.endswith("weight"):
            matrices.append(parameter)
        else:
            decayed.append(parameter)
    return matrices, decayed, plain


class FusedAdamW(torch.optim.AdamW):
    """`torch.optim.AdamW`, fused where that is supported: on CUDA and the CPU, parameters in one piece.

    Args:
        groups: parameter groups.
        learning_rate: of all of them.
        beta2: decay of squared gradients.
        fused: False steps parameter by parameter (on a GPU, in several kernels) everywhere.
    """

    def __init__(
        self, groups: list[dict[str, Any]], learning_rate: float, beta2: float, fused: bool = True
    ) -> None:
        fused = fused and all(_can_be_fused(p) for group in groups for p in group["params"])
        super().__init__(groups, lr=learning_rate, betas=(0.9, beta2), fused=fused or None)
        # Lightning takes the flag for "gradients are still scaled" and then refuses to clip them, even in
        # bfloat16, which scales nothing; without it whoever scales also unscales before the step
        self._step_supports_amp_scaling = False

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state; how to step stays this optimizer's choice, however the state was made.

        Raises:
            ConfigError: the state is that of another optimizer.
        """
        if set(state_dict) == {"muon", "adamw"}:
            raise ConfigError(
                "--model.optimizer adamw cannot go on from a checkpoint written with muon; "
                "resume with --model.optimizer muon or start a new run without --ckpt_path"
            )
        saved, fused = state_dict["param_groups"], self.defaults["fused"]
        groups = [{**group, "fused": fused} for group in saved]
        super().load_state_dict({**state_dict, "param_groups": groups})
        if not fused:  # the fused step counts on the device, where the plain one would have to wait for it
            for state in self.state.values():
                state["step"] = state["step"].cpu()


def _can_be_fused(parameter: nn.Parameter) -> bool:
    sharded = isinstance(parameter, DTensor)  # never tried
    return parameter.device.type in ("cuda", "cpu") and parameter.is_floating_point() and not sharded


class MuonAdamW(torch.optim.Optimizer):
    """Muon and AdamW behind one optimizer, because Lightning steps a single one automatically.

    The parameter groups are those of the two optimizers themselves, so that schedulers and gradient clipping
    reach both.

    Args:
        muon: parameter groups for `BatchedMuon` (2-D weights only).
        adamw: parameter groups for `FusedAdamW`.
        learning_rate: for both; Muon's updates are scaled to the size of AdamW's.
        weight_decay: for the Muon groups.
        beta2: AdamW's decay of squared gradients.
        fused: see `FusedAdamW`.
        former: what Muon stepped before learned places were left to AdamW, in order. A state of that time is
            restored to groups of that time, so that its run goes on as it would have.
    """

    def __init__(
        self,
        muon: Iterable[nn.Parameter],
        adamw: list[dict[str, Any]],
        learning_rate: float,
        weight_decay: float,
        beta2: float = 0.999,
        fused: bool = True,
        former: Sequence[nn.Parameter] = (),
    ) -> None:
        self.former = former
        self.muon = BatchedMuon(
            list(muon),
            lr=learning_rate,
            weight_decay=weight_decay,
            momentum=0.95,
            ns_steps=5,
            adjust_lr_fn="match_rms_adamw",
        )
        self.adamw = FusedAdamW(adamw, learning_rate, beta2, fused)
        groups = [*self.muon.param_groups, *self.adamw.param_groups]
        super().__init__(groups, {})
        self._share_groups()

    def _share_groups(self) -> None:
        # the base class copies nothing inside a group, but the lists must stay the very same dictionaries
        self.param_groups = [*self.muon.param_groups, *self.adamw.param_groups]

    @property
    def state(self) -> defaultdict[Tensor, Any]:
        """The state of both optimizers, by parameter."""
        return defaultdict(dict, {**self.muon.state, **self.adamw.state})

    @state.setter
    def state(self, _: defaultdict[Tensor, Any]) -> None:
        """Ignore what the base class sets: the state lives in the two optimizers."""

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Step both optimizers; `closure` (Lightning's forward and backward) runs once, before them."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.muon.step()
        self.adamw.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both, side by side."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises:
            ConfigError: the state is that of another optimizer.
        """
        if set(state_dict) != {"muon", "adamw"}:
            raise ConfigError(
                "--model.optimizer muon cannot go on from a checkpoint written with adamw; "
                "resume with --model.optimizer adamw or start a new run without --ckpt_path"
            )
        self._group_as(state_dict["muon"])
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])
        self._share_groups()

    def _group_as(self, state: dict[str, Any]) -> None:
        if [len(group["params"]) for group in state["param_groups"]] != [len(self.former)]:
            return
        (stepped,) = self.muon.param_groups
        moved = {id(p) for p in self.former} - {id(p) for p in stepped["params"]}
        stepped["params"] = list(self.former)
        for group in self.adamw.param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in moved]
        # of a tokenizer, places are all that AdamW decays: its states have no such group
        self.adamw.param_groups = [group for group in self.adamw.param_groups if group["params"]]


def build_optimizer(
    network: nn.Module,
    name: str,
    learning_rate: float,
    weight_decay: float,
    beta2: float = 0.999,
    fused: bool = True,
) -> torch.optim.Optimizer:
    """Return the optimizer called `name` over the parameters of `network`, which lie where they are trained.

    Raises:
        ConfigError: `name` is none of :data:`OPTIMIZERS`.
    """
    check_optimizer(name)
    former, *_ = split_parameters(network, former=True)
    matrices, decayed, plain = split_parameters(network)
    rest = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if name == "muon" and matrices:
        groups = [g for g in rest if g["params"]]
        return MuonAdamW(matrices, groups, learning_rate, weight_decay, beta2, fused, former)
    known = {id(p) for p in former}  # first, in the order in which states have them
    rest[0]["params"] = [*former, *(p for p in decayed if id(p) not in known)]
    return FusedAdamW([g for g in rest if g["params"]], learning_rate, beta2, fused)


def check_optimizer(name: str) -> None:
    """Raise a ConfigError unless `name` is an optimizer we know."""
    if name not in OPTIMIZERS:
        choices = " or ".join(f"'{known}'" for known in OPTIMIZERS)
        raise ConfigError(f"optimizer '{name}' is unknown; use {choices}.{did_you_mean(name, OPTIMIZERS)}")


_OF_AN_UPDATE = ("params", "lr", "initial_lr", "fused", "foreach", "capturable", "differentiable")


def settings_of(optimizer: torch.optim.Optimizer, rates_only: bool = False) -> list[dict[str, Any]]:
    """Return the settings of each parameter group of a fresh optimizer, its learning rate as ``initial_lr``.

    Args:
        optimizer: whose groups; they are told their ``initial_lr``.
        rates_only: leave out all but the learning rate; some schedules change the others.
    """
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    return [
        {
            name: value
            for name, value in group.items()
            if name == "initial_lr" or (not rates_only and name not in _OF_AN_UPDATE)
        }
        for group in optimizer.param_groups
    ]


def rates_as_asked(
    optimizer: torch.optim.Optimizer, asked: Sequence[dict[str, Any]], schedulers: Iterable[Any] = ()
) -> list[str]:
    """Give an optimizer whose state was restored the settings that were asked for; return what changed.

    A state holds the settings of its time. A learning rate keeps its place in the schedule: where it was a
    third of the peak, it is a third of the new one.

    Args:
        optimizer: restored.
        asked: as of :func:`settings_of` before that.
        schedulers: of the optimizer; their base rates follow.
    """
    if len(asked) != len(optimizer.param_groups):  # groups of an earlier version, which go on as they are
        return []
    changed: dict[str, None] = {}
    for group, wanted in zip(optimizer.param_groups, asked, strict=True):
        for name in wanted.keys() & group.keys():
            before, now = group[name], wanted[name]
            if before == now:
                continue
            if name == "initial_lr":
                group["lr"] = group["lr"] * now / before if before else now
            group[name] = now
            changed[f"{name.replace('initial_lr', 'learning rate')} {now} instead of {before}"] = None
    for scheduler in schedulers if changed else ():
        if hasattr(scheduler, "base_lrs"):
            scheduler.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
    return [*changed]


_BEHIND = 0.05


def by_time(steps: float, time: float) -> float:
    """Return the progress of training that ends by steps or by time, both given as shares, 0 to 1.

    Steps count as long as they are hardly behind, so that a slow first one changes nothing; where they are,
    time does, and more so towards its end.
    """
    return max(steps, time - _BEHIND * (1.0 - time))


def cosine_with_warmup(progress: float, warmup_fraction: float, final_fraction: float) -> float:
    """Return the factor on the learning rate at `progress` (0 at the start of training, 1 at its end).

    Linear from 0 to 1 within `warmup_fraction`, then a half cosine down to `final_fraction`.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < warmup_fraction:
        return progress / warmup_fraction
    fall = (progress - warmup_fraction) / max(1.0 - warmup_fraction, 1e-12)
    return final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + math.cos(math.pi * fall))
