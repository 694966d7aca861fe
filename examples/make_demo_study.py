"""Put a real study into an inbox, to try an installation with.

    python examples/make_demo_study.py sendit-data/inbox
    python examples/make_demo_study.py sendit-data/inbox --study DEMO-2-CT

The studies are those of "sendit demo": test files that pydicom brings along.
"""

import argparse
from pathlib import Path

from sendit.cli.demo_studies import STUDIES, write_study


def main() -> None:
    """Write the study and say where."""
    parser = argparse.ArgumentParser(description="Put a real study into an inbox.")
    parser.add_argument("inbox", type=Path)
    names = [study.name for study in STUDIES]
    parser.add_argument("--study", choices=names, default=names[0])
    words = parser.parse_args()
    folder = write_study(STUDIES[names.index(words.study)], words.inbox)
    print(folder)  # noqa: T201


if __name__ == "__main__":
    main()
