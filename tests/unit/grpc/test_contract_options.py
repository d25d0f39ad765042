"""What the contract says of its methods by options is what the doors do."""

import importlib
import pkgutil
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from firewalker.runtime.grpc.messages import public_descriptors
from firewalker.runtime.grpc.policy import Caller, Rule

SERVICES = ("user", "step", "notification")


def methods() -> dict[str, MethodDescriptor]:
    """Every RPC of the public contract, by service and name."""
    return {
        f"{service.full_name}/{method.name}": method
        for name in public_descriptors().file_names
        if name.startswith("firewalker/")
        for service in public_descriptors().file(name).services_by_name.values()
        for method in service.methods
    }


def policies() -> dict[str, Rule]:
    """The rule of every method of every door."""
    found: dict[str, Rule] = {}
    for service in SERVICES:
        rpc = importlib.import_module(f"firewalker.{service}.rpc")
        for module in pkgutil.iter_modules(rpc.__path__, f"{rpc.__name__}."):
            for door in vars(importlib.import_module(module.name)).values():
                if isinstance(door, type) and isinstance(policy := door.__dict__.get("POLICY"), dict):
                    found |= {f"{served(door)}/{name}": rule for name, rule in policy.items()}
    return found


def served(door: Any) -> str:
    """The service that a door is for: named by it, or by the paths of its generated base."""
    if hasattr(door, "SERVICE"):
        return str(door.SERVICE)
    (path, *_) = door.__mapping__(door.__new__(door))
    return str(path).split("/")[1]


def marked_public(method: MethodDescriptor) -> bool:
    pool = public_descriptors()._pool
    extension = pool.FindExtensionByName("firewalker.option.v1.public")
    options = message_factory.GetMessageClass(extension.containing_type)
    return bool(options.FromString(method.GetOptions().SerializeToString()).Extensions[extension])


@pytest.mark.requirement("AUTH-08")
def test_the_contract_marks_as_public_what_the_doors_open_to_anybody() -> None:
    rules = policies()
    contract = methods()
    assert contract.keys() <= rules.keys()
    assert {name for name, method in contract.items() if marked_public(method)} == {
        name for name in contract if rules[name].caller is Caller.PUBLIC
    }


def test_what_is_read_by_get_says_that_it_changes_nothing() -> None:
    def of_rest(method: MethodDescriptor) -> bool:
        options = MethodOptions.FromString(method.GetOptions().SerializeToString())
        return bool(options.Extensions[annotations_pb2.http].get)

    def safe(method: MethodDescriptor) -> bool:
        return bool(method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS)

    contract = methods()
    assert {name for name, each in contract.items() if safe(each)} == {
        name for name, each in contract.items() if of_rest(each)
    }
