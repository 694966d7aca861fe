"""What a person or a program asks about batches: states, times and amounts."""
