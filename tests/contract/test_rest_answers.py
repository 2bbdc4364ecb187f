"""Answers kept for repeats: what the real database and the fast twin promise alike."""

from collections.abc import AsyncIterator

import pytest

from emdr_stream.rest.idempotency import KeptAnswers, Keyed, MemoryAnswers, PostgresAnswers, Standing
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.stores_process import RunningStores

pytestmark = pytest.mark.anyio
ASKED = Keyed("therapist:t-1", "k-1", b"d" * 32)

OTHER_BODY = Keyed("therapist:t-1", "k-1", b"e" * 32)
OTHER_CALLER = Keyed("therapist:t-2", "k-1", b"d" * 32)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def answers(request: pytest.FixtureRequest) -> AsyncIterator[KeptAnswers]:
    if request.param == "memory":
        yield MemoryAnswers()
        return
    stores: RunningStores = request.getfixturevalue("stores")
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url)
        await store.start()
        yield PostgresAnswers(store)
        await store.aclose()


async def test_the_first_is_new_and_a_repeat_waits_for_its_answer(answers: KeptAnswers) -> None:
    assert await answers.begin(ASKED) is Standing.NEW
    assert await answers.begin(ASKED) is Standing.UNDER_WAY
    await answers.finish(ASKED, b'{"done": true}')
    assert await answers.begin(ASKED) == b'{"done": true}'


async def test_a_key_belongs_to_one_request_of_one_caller(answers: KeptAnswers) -> None:
    assert await answers.begin(ASKED) is Standing.NEW
    assert await answers.begin(OTHER_BODY) is Standing.OTHER
    assert await answers.begin(OTHER_CALLER) is Standing.NEW


async def test_what_was_given_up_may_be_asked_again(answers: KeptAnswers) -> None:
    await answers.begin(ASKED)
    await answers.give_up(ASKED)
    assert await answers.begin(OTHER_BODY) is Standing.NEW


async def test_an_answer_is_not_given_up(answers: KeptAnswers) -> None:
    await answers.begin(ASKED)
    await answers.finish(ASKED, b"{}")
    await answers.give_up(ASKED)
    assert await answers.begin(ASKED) == b"{}"


@pytest.mark.integration
async def test_a_request_whose_worker_died_may_be_asked_again_and_old_answers_go(stores: RunningStores) -> None:
    async with own_database(stores.database_url) as url:
        store = PostgresStore(url)
        await store.start()
        answers = PostgresAnswers(store)

        async def age(seconds: int) -> None:
            await store.ask(
                lambda connection: connection.execute(
                    f"update rest_answers set begun_at = now() - interval '{seconds} seconds'"
                )
            )

        await answers.begin(ASKED)
        await age(29)
        assert await answers.begin(ASKED) is Standing.UNDER_WAY
        await age(31)
        assert await answers.begin(OTHER_BODY) is Standing.OTHER
        assert await answers.begin(ASKED) is Standing.NEW
        await answers.finish(ASKED, b"{}")
        await age(86_390)
        assert await answers.begin(ASKED) == b"{}"
        await age(86_410)
        assert await answers.begin(OTHER_BODY) is Standing.NEW
        await store.aclose()
