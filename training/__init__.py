"""In: the simulator and a configuration. Out: the model `emotion_safety` with its manifest, card and test vectors.

Order of reading: config, targets (what is asked), rows and swift (what the service would see), dataset, network,
calibration, thresholds, states, graph, package (what is shipped), run (all of it); evaluation/ (how good it is),
tracking (where runs are kept); heldout/ (what the evaluation alone may know).
"""

import os

# One thread of linear algebra, set here because it counts only before numpy is loaded: the matrices are small, training
# has its own two threads, and the sums come out the same on every run.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_variable, "1")
