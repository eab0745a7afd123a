"""When a source of servers is asked, and what becomes of its answers."""

from lukhas.config.targets import parse_target
from lukhas.gateway.discovery import DiscoveryError, FoundServer, FoundServers, ServerWatch


class Source:
    """Says what it is told to."""

    def __init__(self, *answers: FoundServers | Exception) -> None:
        self.answers = list(answers)

    async def find(self) -> FoundServers:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def servers(*ports: int) -> FoundServers:
    return FoundServers(tuple(FoundServer(parse_target(f"127.0.0.1:{p}")) for p in ports), 100.0)


async def test_when_a_source_is_asked_again() -> None:
    """A little before the answer ends; after a failure soon, and then ever later."""
    applied: list[int] = []
    source = Source(servers(1), servers(1), *[DiscoveryError("no")] * 7, servers(1, 2))
    watch = ServerWatch("x", source, lambda found: applied.append(len(found)), draw=lambda: 1.0)
    assert [await watch.look() for _ in range(2)] == [90.0, 90.0]
    assert [await watch.look() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert (watch.failures, watch.failure) == (7, "no")
    assert await watch.look() == 90.0
    assert (applied, watch.failure) == ([1, 2], "")


async def test_a_source_that_raises_is_asked_again() -> None:
    """Whatever it raises."""
    source = Source(RuntimeError("odd"))
    watch = ServerWatch("x", source, lambda _found: None, draw=lambda: 0.0)
    watch.start()
    await watch.asked()
    assert watch.part().detail == "RuntimeError: odd"
    await watch.stop()
