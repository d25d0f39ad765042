"""Page sizes."""

import pytest

from firewalker.kernel.faults import InvalidRequest
from firewalker.kernel.paging import page_size


def test_the_default_is_50_and_the_most_200() -> None:
    assert (page_size(0), page_size(1), page_size(200)) == (50, 1, 200)


@pytest.mark.parametrize("asked", [-1, 201, 2**31 - 1])
def test_other_sizes_are_refused_by_name(asked: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        page_size(asked)
    assert [violation.field for violation in caught.value.violations] == ["page_size"]
