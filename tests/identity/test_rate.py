from sendit.identity.rate import MOST_CLIENTS, RateLimit


def test_a_client_that_asks_too_often_waits_and_others_do_not() -> None:
    now = [0.0]
    limit = RateLimit(60, clock=lambda: now[0])

    assert [limit.wait_seconds("a") for _ in range(60)] == [0] * 60
    assert limit.wait_seconds("a") == 2
    assert limit.wait_seconds("b") == 0
    now[0] = 1.0
    assert limit.wait_seconds("a") == 0
    assert limit.wait_seconds("a") > 0


def test_not_every_client_that_ever_came_is_remembered() -> None:
    limit = RateLimit(1, clock=lambda: 0.0)

    for number in range(MOST_CLIENTS + 1):
        limit.wait_seconds(str(number))

    assert limit.wait_seconds("0") == 0
    assert limit.wait_seconds(str(MOST_CLIENTS)) > 0
