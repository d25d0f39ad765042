"""The list of requirements and the tests agree."""

from tests.support.requirements import claims, listed


def test_every_proven_requirement_keeps_a_test() -> None:
    claimed = claims()
    assert [r.id for r in listed().values() if r.proven and not claimed.get(r.id)] == []


def test_every_claim_names_a_listed_requirement() -> None:
    assert sorted(set(claims()) - set(listed())) == []


def test_a_requirement_with_a_test_is_recorded_as_proven() -> None:
    requirements = listed()
    assert [id_ for id_ in claims() if id_ in requirements and not requirements[id_].proven] == []
