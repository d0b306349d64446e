from __future__ import annotations

from adapters.outbound.web import Breaker


class Times:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(times: Times) -> Breaker:
    breaker = Breaker(now=times, threshold=3, pause=1.0)
    for _ in range(3):
        assert breaker.admits("a")
        breaker.failed("a")
    return breaker


def test_a_broker_that_fails_again_and_again_is_asked_no_more() -> None:
    breaker = opened(Times())
    assert breaker.is_open("a")
    assert not breaker.admits("a")
    assert breaker.admits("b")


def test_a_success_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker(now=Times(), threshold=3)
    for _ in range(3):
        breaker.failed("a")
        breaker.failed("a")
        breaker.succeeded("a")
    assert breaker.admits("a")
    assert not breaker.is_open("a")


def test_one_probe_goes_out_in_each_pause() -> None:
    times = Times()
    breaker = opened(times)
    for _ in range(3):
        times.now += 1.0
        assert [breaker.admits("a") for _ in range(4)] == [True, False, False, False]
        breaker.failed("a")


def test_a_probe_that_succeeds_opens_the_way_for_all() -> None:
    times = Times()
    breaker = opened(times)
    times.now += 1.0
    assert breaker.admits("a")
    breaker.succeeded("a")
    assert all(breaker.admits("a") for _ in range(4))


def test_requests_that_were_under_way_do_not_put_the_probe_off() -> None:
    times = Times()
    breaker = opened(times)
    times.now += 0.9
    breaker.failed("a")
    times.now += 0.1
    assert breaker.admits("a")
