"""In: the bytes of a model. Out: a callable that scores one batch, run as the service runs it: on one thread."""

from typing import Any

import onnxruntime

from emdr_stream.pipeline.features import Features
from training.graph import INPUT, OUTPUTS
from training.replay import Model, Outputs


def serve(graph: bytes) -> Model:
    """A model from the bytes of its ONNX file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = list(OUTPUTS)

    def run(batch: Features) -> Outputs:
        states, risk, crisis, change = session.run(names, {INPUT: batch})
        return states, risk, crisis, change

    return run
