"""The queue alone, with a drawing that is made up."""

import threading
import time

import pytest

from t2a_edge.server.batching import Batcher, Kind, Pace, QueueFullError, UnwantedError, Work


@pytest.fixture
def batcher():
    made = []

    def make(draw=lambda requests: [request * 10 for request in requests], **options):
        chosen = {"max_batch": 4, "max_wait_s": 0.0, "max_queue": 8, **options}
        made.append(Batcher(draw, **chosen))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.end()
        one.join(30)
        assert not one.alive


def results(works):
    return [work.future.result(30) for work in works]


def test_each_work_gets_its_own_result_and_runs_are_no_larger_than_allowed(batcher):
    sizes = []
    queue = batcher(on_run=lambda pictures, seconds: sizes.append(pictures))
    works = [Work(number) for number in range(7)]
    queue.submit(works)
    assert results(works) == [0, 10, 20, 30, 40, 50, 60]
    queue.end()
    queue.join(30)
    assert sizes == [4, 3]
    assert [work.batch for work in works] == [4, 4, 4, 4, 3, 3, 3]


def test_the_first_waits_for_others_a_little(batcher):
    queue = batcher(max_wait_s=30.0, max_batch=2)
    first, second = Work(1), Work(2)
    queue.submit([first])
    time.sleep(0.05)
    assert not first.future.done()
    queue.submit([second])
    assert results([first, second]) == [10, 20]
    assert first.batch == 2


def test_what_runs_alone_shares_no_run(batcher):
    queue = batcher(max_wait_s=0.05)
    works = [Work(1), Work(alone=lambda work: work.cost), Work(2)]
    for work in works:
        queue.submit([work])
    assert results(works) == [10, 1, 20]
    assert works[1].batch == 1


def test_all_or_none_are_queued(batcher):
    gate = threading.Event()
    queue = batcher(lambda requests: [gate.wait(30) for _ in requests], max_batch=1)
    running = Work(0)
    queue.submit([running])
    while queue.waiting:
        time.sleep(0.001)
    queue.submit([Work(1, cost=6)])
    with pytest.raises(QueueFullError) as caught:
        queue.submit([Work(2), Work(3), Work(4)])
    assert (caught.value.waiting, queue.waiting) == (6, 6)
    queue.submit([Work(2), Work(3)])
    assert queue.waiting == 8
    gate.set()


def test_dropped_work_frees_its_room_and_is_never_drawn(batcher):
    gate, drawn = threading.Event(), []

    def draw(requests):
        drawn.extend(requests)
        assert gate.wait(30)
        return requests

    queue = batcher(draw, max_batch=1)
    first, second, third = Work(1), Work(2), Work(3)
    queue.submit([first])
    while queue.waiting:
        time.sleep(0.001)
    queue.submit([second, third])
    queue.drop([second])
    assert queue.waiting == 1
    gate.set()
    assert results([first, third]) == [1, 3]
    assert second.future.cancelled()
    assert drawn == [1, 3]


def test_work_past_its_deadline_is_not_begun(batcher):
    drawn = []
    queue = batcher(lambda requests: drawn.extend(requests) or requests)
    late = Work(1, deadline=time.monotonic() - 1)
    queue.submit([late])
    with pytest.raises(UnwantedError):
        late.future.result(30)
    assert drawn == []


def test_one_that_fails_fails_alone(batcher):
    def draw(requests):
        if 2 in requests:
            raise ValueError("two")
        return requests

    queue = batcher(draw)
    works = [Work(1), Work(2), Work(3)]
    queue.submit(works)
    assert results([works[0], works[2]]) == [1, 3]
    with pytest.raises(ValueError, match="two"):
        works[1].future.result(30)
    assert queue.alive


def test_the_end_drops_what_waits_and_tells_what_runs(batcher):
    begun = threading.Event()

    def alone(work):
        begun.set()
        while True:
            work.check_wanted()
            time.sleep(0.001)

    queue = batcher()
    running, waiting = Work(alone=alone), Work(1)
    queue.submit([running])
    assert begun.wait(30)
    queue.submit([waiting])
    queue.end()
    queue.join(30)
    assert not queue.alive
    assert waiting.future.cancelled()
    with pytest.raises(UnwantedError):
        running.future.result(0)
    with pytest.raises(QueueFullError):
        queue.submit([Work(2)])


def test_many_threads_lose_nothing(batcher):
    queue = batcher(max_queue=400, max_wait_s=0.001)
    answers = {}

    def client(first):
        works = [Work(first + i) for i in range(10)]
        for work in works:
            queue.submit([work])
        answers[first] = results(works)

    threads = [threading.Thread(target=client, args=(100 * n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == {100 * n: [10 * (100 * n + i) for i in range(10)] for n in range(40)}


def test_each_kind_of_work_has_its_own_pace():
    pace = Pace()
    assert pace.seconds([Work(1), Work(kind=Kind.EXPLAIN)]) == 0  # nothing is known
    pace.learn([Work(1), Work(2)], 1.0, finished=True)
    assert pace.seconds([Work(1)] * 4) == 2.0
    assert pace.seconds([Work(kind=Kind.SIZED, cost=9)]) == 4.5  # as its cost says, until it ran
    for _ in range(100):
        pace.learn([Work(kind=Kind.EXPLAIN)], 0.001, finished=True)
    pace.learn([Work(kind=Kind.SIZED, cost=9)], 9.0, finished=True)
    pace.learn([Work(kind=Kind.STREAM)], 0.8, finished=True)
    assert pace.seconds([Work(1)] * 4) == 2.0  # as before
    assert pace.seconds([Work(kind=Kind.EXPLAIN)]) == pytest.approx(0.001)
    assert pace.seconds([Work(kind=Kind.SIZED, cost=4), Work(kind=Kind.STREAM)]) == 4.8


def test_the_newest_runs_count_most_and_a_run_that_was_stopped_takes_no_less():
    pace = Pace()
    pace.learn([Work(1)], 1.0, finished=True)
    pace.learn([Work(1)], 2.0, finished=True)
    assert pace.seconds([Work(1)]) == pytest.approx(1.3)
    pace.learn([Work(1)], 0.1, finished=False)
    assert pace.seconds([Work(1)]) == pytest.approx(1.3)
    pace.learn([Work(1)], 5.0, finished=False)
    assert pace.seconds([Work(1)]) > 2
    large = Work(kind=Kind.SIZED, cost=9)
    guess = pace.seconds([large])
    pace.learn([large], 0.1, finished=False)  # its client left at once: that says nothing
    assert pace.seconds([large]) == guess


def test_explanations_do_not_let_more_pictures_in_than_can_be_drawn(batcher):
    gate, pace = threading.Event(), Pace()
    queue = batcher(lambda requests: [gate.wait(30) for _ in requests], max_batch=1, pace=pace)
    pace.learn([Work(1)], 10.0, finished=True)
    for _ in range(20):
        work = Work(alone=lambda _: "meaning", kind=Kind.EXPLAIN)
        queue.submit([work])
        assert work.future.result(30) == "meaning"
    deadline = time.monotonic() + 30
    queue.submit([Work(1, deadline=deadline)])
    queue.submit([Work(alone=lambda _: "meaning", kind=Kind.EXPLAIN, deadline=deadline)])
    queue.submit([Work(2, deadline=deadline)])
    with pytest.raises(QueueFullError) as caught:  # the third would be done after 30 s
        queue.submit([Work(3, deadline=deadline)])
    assert caught.value.retry_after_s in (20, 21)
    queue.submit([Work(alone=lambda _: "meaning", kind=Kind.EXPLAIN, deadline=deadline)])
    gate.set()


def test_what_runs_counts_for_as_long_as_it_still_takes(batcher):
    gate, pace = threading.Event(), Pace()
    queue = batcher(lambda requests: [gate.wait(30) for _ in requests], max_batch=1, pace=pace)
    pace.learn([Work(1)], 20.0, finished=True)
    queue.submit([Work(1)])
    while queue.waiting:
        time.sleep(0.001)
    deadline = time.monotonic() + 30
    with pytest.raises(QueueFullError):
        queue.submit([Work(2, deadline=deadline)])
    queue._moved -= 19  # it has run for so long
    queue.submit([Work(2, deadline=deadline)])
    gate.set()


def test_a_queue_is_silent_while_work_waits_and_nothing_ends(batcher):
    gate = threading.Event()
    queue = batcher(lambda requests: [gate.wait(30) for _ in requests])
    assert queue.silent_s == 0
    work = Work(1)
    queue.submit([work])
    while queue.waiting:
        time.sleep(0.001)
    queue._moved -= 100
    assert queue.silent_s >= 100
    queue.drop([work])  # nobody waits for it, and still the engine does not answer
    assert queue.silent_s >= 100
    gate.set()
    while queue.silent_s:
        time.sleep(0.001)
