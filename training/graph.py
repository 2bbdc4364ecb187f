"""In: a calibrated network. Out: one ONNX graph with all heads, for any number of rows.

Clip and compression, three products with rectifiers, softmax and sigmoid: nothing mixes rows. In batches of the same
size a row's result does not depend, to the bit, on its neighbours or its place.
"""

from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.domain import MODEL_STATES
from emdr_stream.pipeline.features import N_FEATURES
from training.network import CLIP, N_STATES, Network

BATCH: Final = 16
"""Rows in one run as the service makes it: fewer are filled up, so that every run computes alike."""
OPSET: Final = 17
IR_VERSION: Final = 9
INPUT: Final = "features"
ROWS: Final = "rows"
OUTPUTS: Final[dict[str, tuple[int, ...]]] = {
    "emotion_state": (len(MODEL_STATES),),
    "safety_risk": (),
    "safety_crisis": (),
    "predicted_change": (3,),
}
"""Names of the outputs and the shape of one row of each."""


def build_graph(network: Network) -> bytes:
    """The ONNX file of a network whose last layer is calibrated; the same network gives the same bytes."""
    nodes, constants = [], [_constant("low", np.float32(-CLIP)), _constant("high", np.float32(CLIP))]
    constants.append(_constant("one", np.float32(1.0)))
    nodes.append(helper.make_node("Clip", [INPUT, "low", "high"], ["clipped"]))
    nodes.append(helper.make_node("Abs", ["clipped"], ["size"]))
    nodes.append(helper.make_node("Add", ["size", "one"], ["above"]))
    nodes.append(helper.make_node("Sqrt", ["above"], ["root"]))
    nodes.append(helper.make_node("Div", ["clipped", "root"], ["compressed"]))
    last = "compressed"
    layers = standardised_layers(network)
    for number, (weights, bias) in enumerate(layers):
        constants += [_constant(f"weights_{number}", weights), _constant(f"bias_{number}", bias)]
        nodes.append(helper.make_node("Gemm", [last, f"weights_{number}", f"bias_{number}"], [f"sum_{number}"]))
        last = f"sum_{number}"
        if number < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [last], [f"layer_{number}"]))
            last = f"layer_{number}"
    constants.append(_constant("widths", np.array([N_STATES, 2, 3], dtype=np.int64)))
    constants += [_constant("first", np.int64(0)), _constant("second", np.int64(1))]
    heads = ["state_logits", "safety_logits", "predicted_change"]
    nodes.append(helper.make_node("Split", [last, "widths"], heads, axis=1))
    nodes.append(helper.make_node("Softmax", ["state_logits"], ["emotion_state"], axis=1))
    nodes.append(helper.make_node("Sigmoid", ["safety_logits"], ["safety"]))
    nodes.append(helper.make_node("Gather", ["safety", "first"], ["safety_risk"], axis=1))
    nodes.append(helper.make_node("Gather", ["safety", "second"], ["safety_crisis"], axis=1))
    graph = helper.make_graph(
        nodes,
        "emotion_safety",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [ROWS, N_FEATURES])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, *shape]) for name, shape in OUTPUTS.items()],
        initializer=constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="emdr_stream")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def standardised_layers(network: Network) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """The layers with the standardisation of the input taken into the first."""
    weights, bias = (part.astype(np.float64) for part in network.layers[0])
    scaled = weights * network.scale.astype(np.float64)[:, None]
    shifted = bias - network.mean.astype(np.float64) @ scaled
    return [(scaled.astype(np.float32), shifted.astype(np.float32)), *network.layers[1:]]


def _constant(name: str, value: np.float32 | np.int64 | NDArray[np.float32] | NDArray[np.int64]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)
