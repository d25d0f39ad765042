"""Who may connect: counts and rates by address, within one port."""

import resource
from ipaddress import ip_network

import pytest

from firewalker.runtime.grpc import arrivals as arrivals_module
from firewalker.runtime.grpc.arrivals import Arrivals, Place, most_connections
from firewalker.runtime.grpc.limits import Limits

pytestmark = pytest.mark.requirement("NET-10")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def taken(arrivals: Arrivals, host: str) -> Place:
    place = arrivals.take(host)
    assert isinstance(place, Place)
    return place


def test_a_port_takes_so_many_and_one_more_when_one_goes() -> None:
    arrivals = Arrivals(Limits(connections=3))
    places = [taken(arrivals, f"192.0.2.{n}") for n in range(3)]
    assert arrivals.take("192.0.2.9") == "port_full"
    places[0].give_back()
    places[0].give_back()
    assert arrivals.open == 2
    taken(arrivals, "192.0.2.9")
    assert arrivals.take("192.0.2.10") == "port_full"


def test_one_address_does_not_take_the_places_of_others() -> None:
    arrivals = Arrivals(Limits(connections_per_address=2))
    first = [taken(arrivals, "192.0.2.1") for _ in range(2)]
    assert arrivals.take("192.0.2.1") == "address_full"
    taken(arrivals, "192.0.2.2")
    first[0].give_back()
    taken(arrivals, "192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_ipv6_is_counted_by_network(one: str, other: str, *, same: bool) -> None:
    arrivals = Arrivals(Limits(connections_per_address=1))
    taken(arrivals, one)
    assert (arrivals.take(other) == "address_full") is same


def test_uncounted_networks_and_sockets_without_address_have_the_ports_limit_alone() -> None:
    arrivals = Arrivals(Limits(connections=9, connections_per_address=1), [ip_network("10.0.0.0/8")])
    for host in ("10.1.2.3", "10.1.2.3", "", "", "/run/socket"):
        taken(arrivals, host)
    taken(arrivals, "127.0.0.1")
    assert arrivals.take("127.0.0.1") == "address_full"


def test_arrivals_have_a_rate() -> None:
    clock = Clock()
    arrivals = Arrivals(Limits(arrivals_burst=5, arrivals_per_s=2), clock=clock)
    for _ in range(5):
        taken(arrivals, "192.0.2.1").give_back()
    assert arrivals.take("192.0.2.1") == "arrival_rate"
    taken(arrivals, "192.0.2.2")
    clock.now += 1.0
    for _ in range(2):
        taken(arrivals, "192.0.2.1").give_back()
    assert arrivals.take("192.0.2.1") == "arrival_rate"


def test_abuse_costs_the_address_arrivals_and_never_more_than_a_burst_of_waiting() -> None:
    clock = Clock()
    arrivals = Arrivals(Limits(arrivals_burst=10, arrivals_per_s=1, blame=4), clock=clock)
    for _ in range(2):
        taken(arrivals, "192.0.2.1").blame()
    assert arrivals.take("192.0.2.1") == "arrival_rate"
    place = taken(arrivals, "192.0.2.2")
    for _ in range(100):
        place.blame()
    clock.now += 11.0
    taken(arrivals, "192.0.2.2")


def test_addresses_are_forgotten_but_not_while_they_are_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals_module, "REMEMBERED_ADDRESSES", 10)
    arrivals = Arrivals(Limits(connections=5, connections_per_address=1))
    taken(arrivals, "192.0.2.1")
    for number in range(500):
        taken(arrivals, f"198.51.{number // 250}.{number % 250}").give_back()
    assert len(arrivals._visitors) <= 15
    assert arrivals.take("192.0.2.1") == "address_full"


def test_the_default_leaves_files_for_others() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 1 <= most_connections() <= min(10_000, files * 3 // 4)


@pytest.mark.parametrize("changes", [{"idle_s": 0}, {"streams": -1}, {"connections": 0}])
def test_limits_are_positive(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Limits(**changes)
