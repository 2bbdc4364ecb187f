"""A folder of three trained networks and version 1 go in; what all four say together of a view of a face comes out.

They err differently: version 1, and three candidates that were looked at and not shipped (looks 13, 15 and 16 of the
card). Together they are too slow for a frame, so they teach one network. The three are not in the repository: they are
five megabytes that serve for nothing else.
"""

import copy
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from emdr_stream.inference.manifest import read_manifest
from emdr_stream.vision.expression import EMOTIONS_OUT
from training.expression.calibration import Calibration
from training.expression.config import Recipe
from training.expression.export import Corrected
from training.expression.network import FELT, MEANT, SEEN, TaughtNetwork

LIST: Final = Path(__file__).with_name("elders.toml")
YOUNGEST: Final = "look16"
"""Of version 1's shape: the network that is taught begins half way between the two."""
Weights = dict[str, NDArray[np.float32]]


class Said(NamedTuple):
    """Of a batch: logs of the chances of a camera's answer, of what raters see and of what was meant [n, 7] each;
    valence and arousal [n, 2]."""

    camera: Tensor
    seen: Tensor
    meant: Tensor
    felt: Tensor


@dataclass(frozen=True, slots=True)
class Elder:
    """A trained network with the corrections of its camera's answer."""

    network: TaughtNetwork
    calibration: Calibration

    def said(self, pixels: Tensor, rows: Tensor, present: Tensor) -> Said:
        """As ExpressionNetwork.both."""
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            said = self.network(pixels, rows, present).float()
        camera = Corrected(self.calibration).logits(said)
        return Said(
            camera.log_softmax(1), said[:, SEEN].log_softmax(1), said[:, MEANT].log_softmax(1), said[:, FELT].tanh()
        )


class Elders:
    """Those of a folder, and version 1."""

    def __init__(self, recipe: Recipe, first: Path, folder: Path) -> None:
        """`recipe`: of version 1's shape; `first`: the folder of version 1; `folder`: NAME.npz for each of LIST, their
        weights by the names that TaughtNetwork gives them. Raises OSError, and ModelRefused when version 1 is not what
        its manifest vouches for."""
        self.first = Elder(restored(recipe, first), _of_manifest(first))
        with LIST.open("rb") as file:
            listed = tomllib.load(file)
        self.others = {name: _loaded(recipe, folder / f"{name}.npz", values) for name, values in listed.items()}

    def said(self, pixels: Tensor, rows: Tensor, present: Tensor) -> Said:
        """The mean of their logs: `pixels` [n, 1, 48, 48], `rows` [n, N_FEATURES], `present` [n, 1]. What raters see
        and what was meant are asked of version 1 and the youngest alone, who know it better than all four together."""
        # In this order, so that the sums are those of the shipped training.
        order = [self.first, self.others[YOUNGEST], *(v for k, v in self.others.items() if k != YOUNGEST)]
        each = [elder.said(pixels, rows, present) for elder in order]
        camera, felt = (torch.stack(part).mean(0) for part in ([s.camera for s in each], [s.felt for s in each]))
        seen, meant = ((getattr(each[0], name) + getattr(each[1], name)) / 2 for name in ("seen", "meant"))
        return Said(camera, seen, meant, felt)


def restored(recipe: Recipe, folder: Path) -> TaughtNetwork:
    """The network in a version's folder, with a third output that knows nothing yet. Raises OSError."""
    held = {one.name: numpy_helper.to_array(one).copy() for one in onnx.load(folder / "model.onnx").graph.initializer}
    network = TaughtNetwork(tuple(recipe.widths), recipe.feature_width, recipe.dropout)
    state = {name.removeprefix("network."): value for name, value in held.items() if name.startswith("network.")}
    convolved = iter([value for name, value in held.items() if name.startswith("onnx::Conv_")])
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            state[f"{name}.weight"], state[f"{name}.bias"] = next(convolved), next(convolved)
        elif name.endswith("_third") and isinstance(module, nn.Linear):
            state[f"{name}.weight"] = np.zeros(module.weight.shape, np.float32)
            state[f"{name}.bias"] = np.zeros(module.bias.shape, np.float32)
    return _filled(network, state)


def begun(elders: Elders) -> TaughtNetwork:
    """Half way between version 1 and the youngest, with the youngest's camera's answer as its third output."""
    one, other = elders.first.network.state_dict(), elders.others[YOUNGEST].network.state_dict()
    state = {name: other[name] if "_third" in name else (value + other[name]) / 2 for name, value in one.items()}
    answer = elders.others[YOUNGEST].calibration
    shares = np.array([answer.seen, answer.intent, answer.third])
    a, b, c = (shares / shares.sum()).tolist()
    taken = torch.from_numpy(answer.correction())
    for head, third in (("fused.3", "fused_third"), ("alone.1", "alone_third")):
        for part, less in (("weight", None), ("bias", taken)):
            both, own = state[f"{head}.{part}"], state[f"{third}.{part}"]
            joined = a * both[SEEN] + b * both[MEANT] + c * own
            state[f"{third}.{part}"] = (joined if less is None else joined - less) / answer.temperature
    network = copy.deepcopy(elders.first.network)
    network.load_state_dict(state)
    network.requires_grad_(True)
    return network


def _of_manifest(folder: Path) -> Calibration:
    read_manifest(folder)
    stored = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["calibration"][EMOTIONS_OUT]
    return Calibration(**{**stored, "log_prior": tuple(stored["log_prior"])})


def _loaded(recipe: Recipe, path: Path, values: dict[str, Any]) -> Elder:
    shape = (tuple(values.pop("widths")), recipe.feature_width, recipe.dropout)
    network = TaughtNetwork(*shape, normed=values.pop("normed"), alone_share=values.pop("alone_share"))
    with np.load(path, allow_pickle=False) as stored:
        filled = _filled(network, dict(stored))
    return Elder(filled, Calibration(prior_power=1.0, **{**values, "log_prior": tuple(values["log_prior"])}))


def _filled(network: TaughtNetwork, state: Weights) -> TaughtNetwork:
    network.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in state.items()})
    frozen: TaughtNetwork = network.requires_grad_(False).to(memory_format=torch.channels_last).eval()
    return frozen
