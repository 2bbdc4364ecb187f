"""In: a model's folder and a seed. Out: how good it is, by replay of sessions it never saw, through the whole service.

Order of reading: plan (how much of what), cases (which sessions), rules and baselines (what a model must beat),
constants (the generator's own, varied), controls (real recordings), protocol (all of it), report and card.
The only part of training that knows what is held out of it.
"""
