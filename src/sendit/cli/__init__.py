"""The command line: what a person or a script asks, parsed, done by one call, and shown."""
