"""Guesses without a memory: all frames run in every pass, as the formula says."""

import torch

from tinyworlds.models.continuation import Past, at
from tinyworlds.nn.kernels.code_choice import drawn, likeliest


class Rerun:
    """A `Guesser` for any network with `logits`; nothing slides."""

    def __init__(self, network, past_ids, action_ids, limit, slides=False):
        self.network = network
        self.past = Past.of(past_ids, action_ids, limit)

    def expect(self, action_ids, num_new=1):
        self._new = action_ids

    def logits(self, ids, places):
        canvas = torch.cat([self.past.ids, ids], dim=1)
        actions = None
        if self.past.action_ids is not None and self._new is not None:
            actions = torch.cat([self.past.action_ids, self._new], dim=1)
        return at(self.network.logits(canvas, actions)[:, self.past.ids.shape[1] :], places)

    def choose(self, ids, places):
        return likeliest(self.logits(ids, places))

    def draw(self, ids, places, chance, temperature, top_k, top_p):
        own = getattr(self.network, "ranks_drawn_codes", False)
        return drawn(self.logits(ids, places), chance, temperature, top_k, top_p, own)

    def accept(self, ids):
        self.past = self.past.append(ids, self._new)
