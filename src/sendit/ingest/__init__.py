"""A finished folder becomes a batch: looking at the inboxes, and the loop that does it."""
