from hypothesis import given
from hypothesis import strategies as st

from sendit.identity.keys import derive

KEY = bytes(range(32))


def test_a_derived_key_never_changes_between_releases() -> None:
    assert (
        derive(KEY, namespace="irb-1", purpose="uid", own_key=None).hex()
        == "c8d9fb4508808d94ec04345a8106df7351e308a56907f6eabd0f70c5a47b5f77"
    )


@given(
    st.lists(
        st.tuples(st.text(max_size=9), st.text(max_size=9)), min_size=2, max_size=9, unique=True
    )
)
def test_every_namespace_and_purpose_has_its_own_key(names: list[tuple[str, str]]) -> None:
    keys = {
        derive(KEY, namespace=namespace, purpose=purpose, own_key=own_key)
        for namespace, purpose in names
        for own_key in (None, KEY, bytes(32)[:-1] + b"x")
    }

    assert len(keys) == len(names) * 3
    assert all(len(key) == 32 for key in keys)
