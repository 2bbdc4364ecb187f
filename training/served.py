"""In: the bytes of a model. Out: a callable that scores one batch, run as the service runs it: on one thread."""

from typing import Any

import onnxruntime

from emdr_stream.inference.models import INPUT, MEMORY, OnnxModel
from training.replay import Model


def serve(graph: bytes) -> Model:
    """A model from the bytes of its ONNX file, with a memory or without."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = {each.name: each.shape for each in session.get_inputs()}
    return OnnxModel(session, inputs[INPUT][-1], MEMORY in inputs).run
