"""Every process goes by this machine's clock, whatever Django sets it to."""

import pytest

from tests.support.installation import Installation

DJANGO = "import django; django.setup()"
PAGES = "import sendit.server.wsgi"


@pytest.mark.parametrize("begins", [DJANGO, PAGES], ids=["worker", "pages"])
@pytest.mark.parametrize("zone", ["Etc/GMT-14", "Etc/GMT+12"])
def test_process_goes_by_the_clock_of_this_machine(
    installation: Installation, begins: str, zone: str
) -> None:
    told = installation.python(
        f"import os; os.environ['TZ'] = {zone!r}\n{begins}\n"
        "from datetime import datetime; print(datetime.now().astimezone().strftime('%z'))"
    )

    assert told.strip() == {"Etc/GMT-14": "+1400", "Etc/GMT+12": "-1200"}[zone]
