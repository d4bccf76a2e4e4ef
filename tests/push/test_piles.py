"""Notices that wait in memory: bounded, and services take turns."""

from hubbub.delivery.push.model import Notice
from hubbub.delivery.push.piles import MOST_NOTICES, MOST_OF_SERVICE, TURN, Piles
from tests.push import stage


def notices(service: int, count: int) -> list[Notice]:
    made = [stage.parcel().notice for _ in range(count)]
    for number, notice in enumerate(made):
        notice.service, notice.sid = service, f"{service}-{number}"
    return made


def sids(some: list[Notice]) -> list[str]:
    return [notice.sid for notice in some]


def test_service_with_one_notice_waits_for_one_turn_of_a_service_with_many() -> None:
    piles = Piles()
    many, one = notices(1, 3 * TURN), notices(2, 1)
    piles.add(many)
    piles.add(one)

    assert sids(piles.next()) == sids(many[:TURN])
    assert sids(piles.next()) == sids(one)
    assert sids(piles.next()) == sids(many[TURN : 2 * TURN])


def test_what_is_put_back_is_first_when_its_service_is() -> None:
    piles = Piles()
    piles.add(notices(1, 2 * TURN))
    piles.add(notices(2, 1))
    first = piles.next()

    piles.put_back(first)

    assert sids(piles.next()) == ["2-0"]
    assert sids(piles.next()) == sids(first)


def test_each_service_and_all_together_have_a_bound() -> None:
    piles = Piles()
    assert piles.room(1) == MOST_OF_SERVICE
    piles.add(notices(1, MOST_OF_SERVICE))
    assert piles.room(1) == 0
    assert piles.room(2) == MOST_OF_SERVICE

    for service in range(2, MOST_NOTICES // MOST_OF_SERVICE + 1):
        piles.add(notices(service, MOST_OF_SERVICE))
    assert piles.room(1_000) == 0

    taken = []
    while some := piles.next():
        taken += some
    assert len(taken) == MOST_NOTICES
    assert piles.all() == []
    assert piles.room(1) == MOST_OF_SERVICE
