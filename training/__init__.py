"""In: the simulator and a configuration. Out: the model `emotion_safety` with its manifest, card and test vectors.

Order of reading: config, targets (what is asked), rows and swift (what the service would see), dataset, network,
calibration, thresholds, states, graph, package (what is shipped), run (all of it); evaluation/ (how good it is),
tracking (where runs are kept); heldout/ (what the evaluation alone may know).
"""
