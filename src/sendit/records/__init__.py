"""What is remembered: the only Django app with models."""
