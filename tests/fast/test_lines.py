"""The line in which requests, bytes and work wait: fair, bounded, and without residue."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import check_rows
from waiting import LIMIT_S, until

import gemini_image_pipe as gip


class Crowd:
    """Who stands in one line, by name; each stays in until it is let go."""

    def __init__(self, in_all: int, of_one: int) -> None:
        self.line = gip.FairLine()
        self.bounds = gip.Bounds(in_all, of_one)
        self.places: dict[str, gip.Place] = {}
        self.came_in: list[str] = []
        self.missed: dict[str, bool] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str, weight: int = 1, seconds: float = 60.0) -> None:
        """Each name is its owner's letter and a number."""
        for name in names:
            self._ends[name] = asyncio.Event()
            stand = self._stand(name, weight, seconds)
            self._tasks[name] = asyncio.create_task(stand)
        await settled()

    async def _stand(self, name: str, weight: int, seconds: float) -> None:
        with self.line.place(name[0], self.bounds) as place:
            self.places[name] = place
            try:
                await place.enter(seconds, weight)
            except gip.TurnMissed as missed:
                self.missed[name] = missed.is_own_limit
                return
            self.came_in.append(name)
            await self._ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
        await settled()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()
        await settled()

    @property
    def here(self) -> list[str]:
        return [name for name, task in self._tasks.items() if not task.done()]

    @property
    def inside(self) -> list[str]:
        return [name for name in self.here if self.places[name].is_in]

    @property
    def waiting(self) -> list[str]:
        return [name for name in self.here if not self.places[name].is_in]

    def weight_of(self, names: list[str]) -> int:
        return sum(self.places[name].weight for name in names)

    def is_empty(self) -> bool:
        line = self.line
        return not (line._inside or line._weights or line._waiting or self.here)


async def settled() -> None:
    """Return when everybody has done what there is to do."""
    for _ in range(5):
        await asyncio.sleep(0)


def run(work: Callable[[], Awaitable[Any]]) -> None:
    asyncio.run(asyncio.wait_for(work(), LIMIT_S))


OWNERS = "abcd"
arrivals = st.tuples(st.just("come"), st.sampled_from(OWNERS), st.integers(1, 5))
leavings = st.tuples(
    st.sampled_from(["end", "cancel", "both"]), st.integers(0, 30), st.integers(0, 9)
)


@given(st.lists(arrivals | leavings, max_size=40), st.integers(1, 8), st.integers(1, 8))
def test_whatever_comes_and_goes_the_line_keeps_its_rules(
    steps: list[tuple[str, Any, int]], in_all: int, of_one: int
) -> None:
    """Never more than the bounds, nobody waits who could be in, each owner's own keep
    their order, nobody is lost, and nothing is left behind."""
    crowd = Crowd(in_all, of_one)
    gone: set[str] = set()

    async def work() -> None:
        for number, (what, who, size) in enumerate(steps):
            if what == "come":
                await crowd.come(f"{who}{number}", weight=size)
            elif crowd.here:
                name = crowd.here[who % len(crowd.here)]
                if what == "both":  # its turn comes as it goes away
                    other = crowd.here[size % len(crowd.here)]
                    crowd._ends[other].set()
                await (crowd.end if what == "end" else crowd.cancel)(name)
                gone.update({name} - {*crowd.inside})
            check()
        await crowd.end(*crowd._ends)
        while crowd.here:
            await settled()
        assert crowd.is_empty()
        assert {*crowd._tasks} == {*crowd.came_in} | gone

    def check() -> None:
        inside = crowd.inside
        assert crowd.weight_of(inside) <= in_all
        for owner in OWNERS:
            own = [name for name in inside if name[0] == owner]
            assert crowd.weight_of(own) <= of_one
            came = [int(name[1:]) for name in crowd.came_in if name[0] == owner]
            assert came == sorted(came)
        heads = {name[0]: name for name in reversed(crowd.waiting)}.values()
        free = [
            name
            for name in heads
            if not crowd.line.is_own_limit(crowd.places[name])
            and crowd.weight_of([*inside, name]) <= in_all
        ]
        if len(heads) == len(free):  # else one that is large may hold the others up
            assert not free, (free, inside)

    run(work)


def test_of_those_who_wait_each_owner_has_a_turn() -> None:
    """Whoever comes with one request waits for one of each other at most."""
    crowd = Crowd(1, 1)

    async def work() -> None:
        await crowd.come(*(f"a{number}" for number in range(5)))
        await crowd.come("b0", "b1", "c0")
        for _ in range(8):
            await crowd.end(crowd.inside[0])
        assert crowd.came_in == ["a0", "a1", "b0", "c0", "a2", "b1", "a3", "a4"]
        assert crowd.is_empty()

    run(work)


def test_one_owner_s_share_leaves_room_for_all_others() -> None:
    crowd = Crowd(4, 2)

    async def work() -> None:
        await crowd.come(*(f"a{number}" for number in range(9)))
        assert crowd.inside == ["a0", "a1"]
        await crowd.come("b0", "c0", "c1")
        assert crowd.inside == ["a0", "a1", "b0", "c0"]
        await crowd.end("a0")
        assert crowd.inside == ["a1", "a2", "b0", "c0"]
        await crowd.end("b0", "c0")
        assert crowd.inside == ["a1", "a2", "c1"]  # two stay free for somebody else

    run(work)


def test_small_ones_do_not_pass_a_large_one_for_ever() -> None:
    crowd = Crowd(10, 10)

    async def work() -> None:
        await crowd.come("a0", weight=6)
        await crowd.come("b0", weight=8)
        await crowd.come("c0", weight=1)
        assert crowd.inside == ["a0"]
        await crowd.end("a0")
        assert crowd.inside == ["b0", "c0"]

    run(work)


def test_what_is_larger_than_all_room_takes_all_of_it() -> None:
    crowd = Crowd(10, 5)

    async def work() -> None:
        await crowd.come("a0", weight=1_000)
        await crowd.come("a1", "b0", weight=5)
        assert crowd.inside == ["a0", "b0"]
        await crowd.end("a0")
        assert crowd.inside == ["a1", "b0"]

    run(work)


def test_who_takes_less_than_it_asked_for_lets_others_in() -> None:
    crowd = Crowd(10, 5)

    async def work() -> None:
        await crowd.come("a0", "a1", weight=5)
        crowd.places["a0"].lighten(0)
        await settled()
        assert crowd.inside == ["a0", "a1"]
        crowd.places["a1"].lighten(9)  # there is no taking more without waiting
        await crowd.come("b0", weight=5)
        await crowd.end("a0", "a1", "b0")
        assert crowd.is_empty()

    run(work)


def test_where_there_is_room_nobody_gives_the_event_loop_a_turn() -> None:
    line, steps = gip.FairLine(), 0

    async def others() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    async def work() -> None:
        beside = asyncio.create_task(others())
        with line.place("a", gip.Bounds(1, 1)) as place:
            await place.enter(0.0)
        assert steps == 0
        beside.cancel()

    run(work)


# Bounds, who is in, who waits in their order → whom somebody asks, how many come before.
BEFORE: list[tuple[tuple[int, int], str, str, str, int]] = [
    ((1, 1), "a0", "b0", "b0", 0),
    ((1, 1), "a0", "b0 b1 b2", "b2", 2),
    ((1, 1), "a0", "b0 b1 b2 c0", "c0", 1),
    ((1, 1), "a0", "b0 b1 b2 c0", "b1", 2),
    ((1, 1), "a0", "b0 b1 b2 c0", "b2", 3),
    ((1, 1), "z0", "b0 c0 d0 e0", "e0", 3),
    # What others wait for is not in the way of one that waits for their own.
    ((4, 1), "a0 b0", "a1 a2 b1 b2", "b2", 1),
]


def test_one_who_waits_can_be_told_how_many_are_before() -> None:
    def check(
        bounds: tuple[int, int], inside: str, waiting: str, who: str, before: int
    ) -> None:
        async def work() -> None:
            crowd = Crowd(*bounds)
            await crowd.come(*inside.split(), *waiting.split())
            assert crowd.waiting == waiting.split()
            assert crowd.places[who].before == before

        run(work)

    check_rows(BEFORE, check)


@pytest.mark.parametrize(
    ("bounds", "waits", "is_own"),
    [((3, 2), "a9", True), ((2, 2), "b9", False), ((2, 2), "a9", False)],
)
def test_one_who_waits_in_vain_learns_whose_limit_it_was(
    bounds: tuple[int, int], waits: str, is_own: bool
) -> None:
    crowd = Crowd(*bounds)

    async def work() -> None:
        await crowd.come("a0", "a1")
        await crowd.come(waits, seconds=0.0)
        while crowd.waiting:
            await asyncio.sleep(0.001)
        assert crowd.missed == {waits: is_own}
        await crowd.end("a0", "a1")
        assert crowd.is_empty()

    run(work)


@pytest.mark.parametrize(
    ("before", "after", "inside"),
    [
        pytest.param((1, 1), (4, 2), ["a0", "a1", "b0"], id="raised"),
        pytest.param((3, 2), (1, 1), ["a0", "a1"], id="lowered"),
    ],
)
def test_changed_bounds_hold_for_all_from_the_next_who_comes(
    before: tuple[int, int], after: tuple[int, int], inside: list[str]
) -> None:
    """An administrator who changes them does so because of what goes on right now."""
    crowd = Crowd(*before)

    async def work() -> None:
        await crowd.come("a0", "a1", "a2")
        crowd.bounds = gip.Bounds(*after)
        await crowd.come("b0")
        assert crowd.inside == inside
        while crowd.here:
            await crowd.end(crowd.inside[0])
            own = Counter(name[0] for name in crowd.inside)
            assert len(crowd.inside) <= max(after[0], len(inside) - 1)
            assert max(own.values(), default=0) <= max(after[1], 1)
        assert crowd.is_empty()

    run(work)


def test_a_loop_that_ended_with_people_in_line_holds_nobody_up() -> None:
    """As where a thread gives its place back when its event loop is gone."""
    crowd = Crowd(1, 1)
    left = crowd.line.place("a", crowd.bounds)

    async def never_leaves() -> None:
        await left.enter(1.0)

    async def work() -> None:
        await crowd.come("a0", "b0")
        assert crowd.inside == ["a0"]
        left.leave()  # it is none of theirs
        assert crowd.inside == ["a0"]
        await crowd.end("a0", "b0")
        assert crowd.is_empty()

    run(never_leaves)
    run(work)


def test_an_answer_waits_in_line_only_while_nothing_of_it_is_under_way() -> None:
    crowd, caller = Crowd(1, 1), gip.Caller("b")

    async def work() -> None:
        assert caller.before is None
        await crowd.come("a0", "a1", "b0", "b1")
        with contextlib.ExitStack() as noted:
            for name in ("b0", "b1"):
                noted.enter_context(caller.at(crowd.places[name]))
            assert caller.before == 1  # one status for all of its requests
            await crowd.end("a0", "a1")
            assert crowd.inside == ["b0"]
            assert caller.before is None
        assert not caller.places

    run(work)


def test_work_on_pictures_is_done_one_at_a_time_for_users_in_turn() -> None:
    """And not at all for who has gone, or was not in time."""
    done: list[str] = []
    gate = threading.Event()
    callers = {owner: gip.Caller(owner) for owner in "abc"}

    def work(name: str) -> str:
        done.append(name)
        assert gate.wait(LIMIT_S)
        return name.upper()

    async def ask(name: str, seconds: float = LIMIT_S) -> str:
        return str(await gip.in_turn(callers[name[0]], seconds, work, name))

    async def crowd() -> None:
        names = ["a0", "a1", "a2", "b0", "c0"]
        tasks = {name: asyncio.create_task(ask(name)) for name in names}
        assert await until(lambda: done)
        assert callers["c"].before == 2
        with pytest.raises(gip.TurnMissed):
            await ask("c9", seconds=0.0)
        tasks["a1"].cancel()
        await settled()
        gate.set()
        made = await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert [m for m in made if isinstance(m, str)] == ["A0", "A2", "B0", "C0"]
        assert done == ["a0", "a2", "b0", "c0"]

    run(crowd)


def test_work_that_fails_gives_its_place_back() -> None:
    async def work() -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await gip.in_turn(gip.Caller("a"), 1.0, lambda: 1 // 0)

    run(work)
