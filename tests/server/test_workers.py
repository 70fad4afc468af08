"""What workers know of each other."""

import mmap

from prometheus_client import CollectorRegistry, Counter, Gauge

from t2a_edge.server.metrics import Metrics, _families, merged
from t2a_edge.server.workers import HEAD, ROOM, Worker


def pair():
    shared = mmap.mmap(-1, 2 * ROOM)
    return Worker(1, shared), Worker(2, shared), shared


def test_workers_read_what_others_publish():
    first, second, _ = pair()
    assert (first.others(), first.published(), first.ready) == ([], None, False)
    second.tell_ready()
    second.publish({"a": 1})
    second.publish({"a": [2, "ü"]})
    assert first.others() == [{"a": [2, "ü"]}]
    assert (first.ready, second.ready, second.others()) == (False, True, [])
    second.tell_ready(False)
    assert (second.ready, second.published()) == (False, {"a": [2, "ü"]})


def test_what_is_half_written_or_too_long_is_not_read():
    first, second, shared = pair()
    second.publish("kept")
    second.publish([str(number) * 7 for number in range(200_000)])
    assert first.others() == ["kept"]
    _, place, _, _ = HEAD.unpack_from(shared, ROOM)
    shared[ROOM + place] ^= 1
    assert first.others() == []


def test_the_last_value_stays_until_the_next_is_whole():
    first, second, shared = pair()
    last: list[str] = []
    for told in ("one", "two", "three"):
        before = HEAD.unpack_from(shared, ROOM)
        second.publish(told)
        after = HEAD.unpack_from(shared, ROOM)
        assert first.others() == [told]
        assert after[1] != before[1]
        shared[ROOM : ROOM + HEAD.size] = HEAD.pack(*before)  # as it was while `told` was written
        assert first.others() == last
        shared[ROOM : ROOM + HEAD.size] = HEAD.pack(*after)
        last = [told]


def of(requests: int, silent: float) -> list:
    registry = CollectorRegistry()
    counter = Counter("t2a_edge_requests", "Requests.", ["path"], registry=registry)
    counter.labels("/a").inc(requests)
    gauge = Gauge("t2a_edge_engine_silent_seconds", "Silence.", registry=registry)
    gauge.set(silent)
    return _families(registry)


def test_counts_of_workers_add_up_and_the_longest_silence_is_told():
    requests, silence = merged([of(3, 0.5), of(4, 2.0)])
    assert requests[3] == [["t2a_edge_requests_total", {"path": "/a"}, 7.0]]
    assert silence[3] == [["t2a_edge_engine_silent_seconds", {}, 2.0]]


def metrics() -> Metrics:
    return Metrics({"plain": lambda: 2}, lambda: 1, {"version": "1"}, lambda: 0.0)


def test_who_takes_a_workers_place_goes_on_counting():
    first, second, _ = pair()
    before, other = metrics(), metrics()
    before.share(first)
    before.on_request("/a", 200, 0.3)
    first.publish(before.own())
    other.share(second)
    other.on_request("/a", 200, 0.3)
    second.publish(other.own())
    after = metrics()
    after.share(first)
    after.on_request("/a", 200, 0.3)
    told = after.text().decode().splitlines()
    assert 't2a_edge_requests_total{path="/a",status="200"} 3.0' in told
    assert 't2a_edge_request_duration_seconds_bucket{le="0.5",path="/a"} 3.0' in told
    assert 't2a_edge_queue_pictures{queue="plain"} 4.0' in told  # of two workers, not of three
    assert 't2a_edge_build_info{version="1"} 1.0' in told
