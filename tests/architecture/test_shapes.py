"""Answers have the shapes that clients rely on, whichever service gives them."""

from firewalker.runtime.grpc.messages import public_descriptors


def test_every_list_says_whether_there_is_another_page() -> None:
    public = public_descriptors()
    lists = {
        message.name: set(message.fields_by_name)
        for name in public.file_names
        for message in public.file(name).message_types_by_name.values()
        if message.name.startswith(("List", "Search")) and message.name.endswith("Response")
    }
    assert len(lists) > 10
    assert {name for name, fields in lists.items() if "next_page_token" not in fields} == set()
