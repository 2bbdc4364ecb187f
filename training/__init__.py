"""In: the simulator and a configuration. Out: the model `emotion_safety` with its manifest, card and test vectors.

Order of reading: config, targets (what is asked), rows (what the service would see), dataset, network, calibration,
graph, package (what is shipped); replay, scoring, controls, evaluation, card (how good it is).
"""
