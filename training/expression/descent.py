"""A network and a recipe in, losses step by step; the mean of its late weights out."""

from typing import Final

import torch
from torch import Tensor, nn

from training.expression.config import Recipe
from training.expression.losses import schedule, weight_groups

_STEEPEST: Final = 2.0
"""The gradient's norm is cut to this."""


class Descent:
    """One training: `step` with each loss; `averaged` is the mean of the weights so far, the latest counting most."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self.averaged = torch.optim.swa_utils.AveragedModel(
            network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.averaging), use_buffers=True
        )
        self.steps = recipe.epochs * recipe.steps
        self._network = network
        self._rate = recipe.rate
        self._optimiser = torch.optim.AdamW(weight_groups(network, recipe.decay), lr=recipe.rate)
        self._done = 0

    def step(self, loss: Tensor) -> float:
        """Go one step down, at the rate that the schedule gives it; returns the loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * schedule(self._done, self.steps)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _STEEPEST)
        self._optimiser.step()
        self.averaged.update_parameters(self._network)
        self._done += 1
        return float(loss.detach())
