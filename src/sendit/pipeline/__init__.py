"""A batch walks through its stages: who may move it, and what each stage does."""
