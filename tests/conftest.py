"""What every test may use; each module says in its docstring what it brings."""

pytest_plugins = [
    "tests.support.installation",
    "tests.support.rules",
    "tests.support.servers",
]
