"""What sendit costs, measured beside ``cp -r`` on the same files: ``make bench``."""
