"""In: a seed. Out: what no model is ever trained on: families, persons and sensors for the final test alone.

Only the evaluation may import this package; a contract in `pyproject.toml` says so.
"""
