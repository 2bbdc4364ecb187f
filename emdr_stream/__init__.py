"""Takes emotion samples or webcam frames from a browser and answers with safety and pattern messages."""

__version__ = "0.1.0"
