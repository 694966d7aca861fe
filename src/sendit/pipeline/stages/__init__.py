"""The stages, one module each; their order is ``pipeline/flow.py``."""
