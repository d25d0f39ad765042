"""What fuzzing starts from and has found, replayed; and some thousand simple changes of it."""

import random

import pytest

from tests.fuzz.corpus import TARGETS, inputs

CASES = [pytest.param(target, data, id=f"{target}/{name}") for target in TARGETS for name, data in inputs(target)]
CHANGES = {"connections": 12, "requests": 40, "tokens": 10}
"""Of each input, so that all of it stays within some seconds."""


@pytest.mark.requirement("NET-03")
@pytest.mark.parametrize(("target", "data"), CASES)
def test_an_input_of_the_corpus_does_no_harm(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_changed_inputs_do_no_harm(target: str) -> None:
    chance = random.Random(11)
    corpus = [data for _, data in inputs(target)]
    for data in corpus:
        for _ in range(CHANGES[target]):
            TARGETS[target](_changed(data, chance.choice(corpus), chance))


def _changed(data: bytes, other: bytes, chance: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(result))
        how = chance.randrange(4)
        if how == 0:
            result[at] = chance.randrange(256)
        elif how == 1:
            result[at:at] = chance.randbytes(chance.randint(1, 8))
        elif how == 2:
            del result[at : at + chance.randint(1, 8)]
        else:
            result[at:at] = other[1 + chance.randrange(len(other)) :][:64]
        if not result:
            result = bytearray(data)
    return bytes(result)
