"""In: a calibrated network. Out: one ONNX graph with all heads and its memory, if any, for any number of rows.

Clip and compression, products with rectifiers and gates, softmax and sigmoid: nothing mixes rows. In batches of the
same size a row's result does not depend, to the bit, on its neighbours or its place.
"""

from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emdr_stream.domain import MEMORY_UNITS
from emdr_stream.inference.models import INPUT, MEMORY, MEMORY_NEXT, outputs_of
from emdr_stream.pipeline.features import N_FEATURES
from training.network import CLIP, N_STATES, Cell, Layer, Network, taken_in

BATCH: Final = 16
"""Rows in one run as the service makes it: fewer are filled up, so that every run computes alike."""
OPSET: Final = 17
IR_VERSION: Final = 9
ROWS: Final = "rows"


class _Drawn:
    """A graph on its way: nodes and constants in their order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, given: list[str], made: list[str], **how: int) -> None:
        self.nodes.append(helper.make_node(kind, given, made, **how))

    def hold(self, name: str, value: np.float32 | np.int64 | NDArray[np.float32] | NDArray[np.int64]) -> None:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))

    def product(self, given: str, layer: Layer, name: str) -> str:
        """One layer without its rectifier; its output's name."""
        self.hold(f"weights_{name}", np.asarray(layer[0], dtype=np.float32))
        self.hold(f"bias_{name}", np.asarray(layer[1], dtype=np.float32))
        self.add("Gemm", [given, f"weights_{name}", f"bias_{name}"], [f"sum_{name}"])
        return f"sum_{name}"


def build_graph(network: Network) -> bytes:
    """The ONNX file of a network whose last layer is calibrated; the same network gives the same bytes.

    Its standardisation is taken in (`training.network.taken_in`). Raises ValueError for a memory of another size than
    the service keeps.
    """
    if network.units not in (0, MEMORY_UNITS):
        raise ValueError(f"a memory of {network.units}: the service keeps {MEMORY_UNITS}")
    network, drawn = taken_in(network), _Drawn()
    _compress(drawn)
    last = "compressed"
    if network.cell is not None:
        _remember(drawn, network.cell)
        drawn.add("Concat", ["compressed", MEMORY_NEXT], ["known"], axis=1)
        last = "known"
    for number, layer in enumerate(network.layers):
        last = drawn.product(last, layer, str(number))
        if number < len(network.layers) - 1:
            drawn.add("Relu", [last], [f"layer_{number}"])
            last = f"layer_{number}"
    _say(drawn, last)
    shapes = outputs_of(network.cell is not None)
    inputs = {INPUT: N_FEATURES} | ({} if network.cell is None else {MEMORY: MEMORY_UNITS})
    graph = helper.make_graph(
        drawn.nodes,
        "emotion_safety",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, width]) for name, width in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, *shape]) for name, shape in shapes.items()],
        initializer=drawn.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="emdr_stream")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def network_in(graph: bytes) -> Network:
    """The calibrated network whose `build_graph` gave this file. Raises ValueError for another graph."""
    held = {each.name: numpy_helper.to_array(each).copy() for each in onnx.load_from_string(graph).graph.initializer}

    def layer(name: str) -> Layer:
        return held[f"weights_{name}"], held[f"bias_{name}"]

    try:
        cell = Cell(layer("narrow"), layer("taken"), layer("kept")) if "weights_kept" in held else None
        layers = tuple(layer(str(number)) for number in range(sum(f"weights_{n}" in held for n in range(len(held)))))
    except KeyError as problem:
        raise ValueError(f"no graph of this training: {problem} is missing") from None
    nothing, same = np.zeros(N_FEATURES, np.float32), np.ones(N_FEATURES, np.float32)
    return Network(nothing, same, layers, np.ones(3, np.float32), cell)


def _compress(drawn: _Drawn) -> None:
    drawn.hold("low", np.float32(-CLIP))
    drawn.hold("high", np.float32(CLIP))
    drawn.hold("one", np.float32(1.0))
    drawn.add("Clip", [INPUT, "low", "high"], ["clipped"])
    drawn.add("Abs", ["clipped"], ["size"])
    drawn.add("Add", ["size", "one"], ["above"])
    drawn.add("Sqrt", ["above"], ["root"])
    drawn.add("Div", ["clipped", "root"], ["compressed"])


def _remember(drawn: _Drawn, cell: Cell) -> None:
    """The gated recurrent unit, as `training.passes.Gates.step` has it."""
    drawn.add("Relu", [drawn.product("compressed", cell.narrow, "narrow")], ["narrow"])
    taken, kept = drawn.product("narrow", cell.taken, "taken"), drawn.product(MEMORY, cell.kept, "kept")
    drawn.hold("gates", np.array([2 * cell.units, cell.units], dtype=np.int64))
    drawn.hold("halves", np.array([cell.units, cell.units], dtype=np.int64))
    drawn.add("Split", [taken, "gates"], ["taken_gates", "taken_new"], axis=1)
    drawn.add("Split", [kept, "gates"], ["kept_gates", "kept_new"], axis=1)
    drawn.add("Add", ["taken_gates", "kept_gates"], ["sum_gates"])
    drawn.add("Sigmoid", ["sum_gates"], ["open_gates"])
    drawn.add("Split", ["open_gates", "halves"], ["reset", "update"], axis=1)
    drawn.add("Mul", ["reset", "kept_new"], ["still_kept"])
    drawn.add("Add", ["still_kept", "taken_new"], ["sum_new"])
    drawn.add("Tanh", ["sum_new"], ["new"])
    drawn.add("Sub", [MEMORY, "new"], ["older"])
    drawn.add("Mul", ["older", "update"], ["stays"])
    drawn.add("Add", ["stays", "new"], [MEMORY_NEXT])


def _say(drawn: _Drawn, last: str) -> None:
    """The four heads of the last layer's sums."""
    drawn.hold("widths", np.array([N_STATES, 2, 3], dtype=np.int64))
    drawn.hold("first", np.int64(0))
    drawn.hold("second", np.int64(1))
    drawn.add("Split", [last, "widths"], ["state_logits", "safety_logits", "predicted_change"], axis=1)
    drawn.add("Softmax", ["state_logits"], ["emotion_state"], axis=1)
    drawn.add("Sigmoid", ["safety_logits"], ["safety"])
    drawn.add("Gather", ["safety", "first"], ["safety_risk"], axis=1)
    drawn.add("Gather", ["safety", "second"], ["safety_crisis"], axis=1)
