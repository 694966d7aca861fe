"""Pixels of an instance: drawn for a preview."""
