"""Tables of codes: built once where weights are frozen, and never stale."""

import pytest
import torch

from tinyworlds.nn.codes import CodeTable
from tinyworlds.nn.fsq import FSQ


@pytest.fixture
def table() -> CodeTable:
    torch.manual_seed(0)
    return CodeTable(FSQ(3, 4), 16, num_extra=1).requires_grad_(False)


def built(table: CodeTable) -> torch.Tensor:
    with torch.inference_mode():
        return table()


def written_out(table: CodeTable) -> torch.Tensor:
    codes = [
        own + table.levels.weight[rows].sum(0)
        for own, rows in zip(table.own.weight, table.rows.tolist(), strict=False)
    ]
    return torch.stack([*codes, table.own.weight[-1]])


def test_a_frozen_table_is_built_once(table):
    first = built(table)
    torch.testing.assert_close(first, written_out(table))
    assert built(table) is first


@pytest.mark.parametrize("part", ["own", "levels"])
@pytest.mark.parametrize("change", ["loaded", "in place", "replaced"])
def test_weights_that_change_are_seen(table, part, change):
    before = built(table).clone()
    weights = getattr(table, part)
    if change == "loaded":
        state = table.state_dict()
        table.load_state_dict({**state, f"{part}.weight": state[f"{part}.weight"] + 1})
    elif change == "in place":
        weights.weight.mul_(2)
    else:
        weights.weight = torch.nn.Parameter(weights.weight + 1, requires_grad=False)
    assert not torch.equal(built(table), before)
    torch.testing.assert_close(built(table), written_out(table))


def test_a_table_that_learns_is_not_kept(table):
    kept = built(table)
    table.requires_grad_(True)
    assert built(table) is not kept
    table().sum().backward()  # a tensor of inference mode would refuse
    assert (table.levels.weight.grad == 16).all()  # 64 codes: each of 4 levels is in 16
    with torch.no_grad():
        for weight in table.parameters():
            weight -= 1
    torch.testing.assert_close(built(table), written_out(table))


def test_a_frozen_table_serves_gradients_of_what_it_is_compared_with(table):
    built(table)
    x = torch.randn(5, 16, requires_grad=True)
    (x @ table().T).sum().backward()
    assert x.grad is not None
