"""REST: batches, images, metrics and decisions as JSON, described by OpenAPI."""
