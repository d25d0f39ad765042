"""Places for messages: what each lane may begin."""

from hypothesis import given
from hypothesis import strategies as st

from firewalker.notification.domain.places import URGENT_PLACES, LastShare, ordinary_of


@given(st.integers(0, 100), st.integers(1, 100), st.integers(0, 100))
def test_places_are_kept_for_the_first_lane_and_messages_of_the_pace_are_not(room: int, most: int, taken: int) -> None:
    free = max(0, most - taken)
    ordinary = ordinary_of(min(room, free), free=free, most=most)
    assert 0 <= ordinary <= min(room, free)
    if free > URGENT_PLACES:
        assert ordinary == min(room, free - URGENT_PLACES)
    if free == most and room > 0:
        assert ordinary > 0, "with nothing under way anybody may begin one"


@given(st.lists(st.integers(1, 30), max_size=60))
def test_the_last_lane_has_a_fifth_of_all_places_however_they_come(rooms: list[int]) -> None:
    share = LastShare()
    assert sum(share.of(room) for room in rooms) == sum(rooms) // 5
