"""What every test may use; each module says in its docstring what it brings."""

import hypothesis

# How long an example takes depends on who else uses the machine; pytest's timeout is enough.
hypothesis.settings.register_profile("sendit", deadline=None)
hypothesis.settings.load_profile("sendit")

pytest_plugins = [
    "tests.support.installation",
    "tests.support.rules",
    "tests.support.servers",
]
