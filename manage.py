#!/usr/bin/env python3
"""The same program as ``sendit``, for those who look for ``manage.py``."""

import sys

from sendit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
