"""``python -m sendit`` is the same program as ``sendit``."""

import sys

from sendit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
