"""Passkeys, with an authenticator in software."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webauthn.helpers import bytes_to_base64url

from commands.accounts import passkeys
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.entering import Entered
from commands.accounts.passkeys import OF_VISITOR, PasskeyRefused, PasskeysNeedADomain
from commands.accounts.sign_in_sessions import SignInTooOld, current_session
from domain.accounts.account import PasskeyNotFound
from tests.support.accounts import CONTEXT, URL, VISITOR, World
from tests.support.authenticator import Authenticator, encoded

Json = dict[str, Any]


async def added(
    world: World, phone: Authenticator, entered: Entered | None = None, name: str = "Jo’s phone"
) -> tuple[Entered, str]:
    entered = entered or await world.sign_up()
    options = await passkeys.begin_registration(world.parts, entered.signed_in)
    credential_id = await passkeys.finish_registration(
        world.parts, CONTEXT, entered.signed_in, phone.create(options), name=name
    )
    return entered, credential_id


async def sign_in(world: World, answer: Json) -> Entered:
    return await passkeys.sign_in_with_passkey(world.parts, CONTEXT, answer, visitor=VISITOR)


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator(URL)


async def test_a_passkey_is_asked_for_as_the_standard_says(world: World) -> None:
    entered = await world.sign_up()
    options = json.loads(await passkeys.begin_registration(world.parts, entered.signed_in))
    selection = options["authenticatorSelection"]
    assert options["rp"] == {"id": "homecast.example", "name": "Homecast"}
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert options["user"]["id"] == encoded(entered.signed_in.account_id.encode())
    asked = json.loads(passkeys.begin_authentication(world.parts))
    assert (asked["rpId"], asked["userVerification"]) == ("homecast.example", "required")
    assert not asked.get("allowCredentials"), "nobody types an address"


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "synced"])
async def test_a_passkey_signs_in_without_a_password(world: World, counts: bool) -> None:
    phone = Authenticator(URL, counts=counts)
    entered, credential_id = await added(world, phone)
    account = await world.account(entered.signed_in.account_id)
    assert account.name_of(credential_id) == "Jo’s phone"
    for _ in range(3):
        found = await sign_in(world, phone.get(passkeys.begin_authentication(world.parts)))
        assert found.signed_in.account_id == entered.signed_in.account_id
        assert found.signed_in.amr == ("hwk", "mfa")
    assert {"passkey_added", "sign_in_notice"} <= set(await world.mail_kinds())


def nested(answer: dict[str, Any]) -> dict[str, Any]:
    """Its JSON has no end to speak of."""
    data = bytes_to_base64url(b"[" * 100_000)
    return {**answer, "response": {**answer["response"], "clientDataJSON": data}}


async def test_an_answer_without_end_is_refused(world: World, phone: Authenticator) -> None:
    entered, _ = await added(world, phone)
    with pytest.raises(PasskeyRefused):
        await sign_in(world, nested(phone.get(passkeys.begin_authentication(world.parts))))
    options = passkeys.begin_authentication(world.parts, entered.signed_in)
    with pytest.raises(PasskeyRefused):
        await passkeys.confirm_with_passkey(
            world.parts, CONTEXT, entered.signed_in, nested(phone.get(options))
        )


async def test_an_answer_is_good_once(world: World) -> None:
    phone = Authenticator(URL, counts=False)
    await added(world, phone)
    answer = phone.get(passkeys.begin_authentication(world.parts))
    await sign_in(world, answer)
    for process in (world, world.beside()):
        with pytest.raises(PasskeyRefused):
            await sign_in(process, answer)


async def test_an_answer_enters_once_of_two_processes_at_the_same_time(world: World) -> None:
    phone = Authenticator(URL, counts=False)
    await added(world, phone)
    answer = phone.get(passkeys.begin_authentication(world.parts))
    done = await asyncio.gather(
        *(sign_in(process, answer) for process in world.racing()), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["Entered", "PasskeyRefused"]


async def test_a_counter_that_goes_back_is_a_copy(world: World, phone: Authenticator) -> None:
    await added(world, phone)
    copied = copy.copy(phone.passkeys[0])
    for _ in range(2):
        await sign_in(world, phone.get(passkeys.begin_authentication(world.parts)))
    options = passkeys.begin_authentication(world.parts)
    with pytest.raises(PasskeyRefused):
        await sign_in(world, phone.get(options, passkey=copied))


async def test_a_challenge_is_over_after_a_while(world: World, phone: Authenticator) -> None:
    await added(world, phone)
    options = passkeys.begin_authentication(world.parts)
    world.clock.move(minutes=5)
    with pytest.raises(PasskeyRefused):
        await sign_in(world, phone.get(options))


async def test_what_does_not_fit_is_refused(world: World, phone: Authenticator) -> None:
    entered, _ = await added(world, phone)
    options = passkeys.begin_authentication(world.parts)
    stranger = Authenticator(URL)
    stranger.passkeys = [replace(phone.passkeys[0], key=_key())]
    confirming = passkeys.begin_authentication(world.parts, entered.signed_in)
    own = json.dumps({**json.loads(options), "challenge": encoded(bytes(56))})
    answers = {
        "another site": phone.get(options, origin="https://evil.example"),
        "another site's key": phone.get(
            options, passkey=replace(phone.passkeys[0], relying_party="evil.example")
        ),
        "nobody verified": phone.get(options, verified=False),
        "another key": stranger.get(options),
        "a challenge of its own": phone.get(own),
        "a challenge for something else": phone.get(confirming),
        "another person": phone.get(
            options, passkey=replace(phone.passkeys[0], user_handle=b"0" * 26)
        ),
        "an unknown passkey": phone.get(
            options, passkey=replace(phone.passkeys[0], credential_id=b"x" * 16)
        ),
    }
    refused = []
    for name, answer in answers.items():
        try:
            await sign_in(world, answer)
        except PasskeyRefused:
            refused.append(name)
    assert refused == list(answers)


def _key() -> Any:
    other = Authenticator(URL)
    other.create({"user": {"id": ""}, "rp": {"id": "x"}, "challenge": ""})
    return other.passkeys[0].key


async def test_what_cannot_be_added_is_refused(world: World, phone: Authenticator) -> None:
    entered = await world.sign_up()
    other = await world.sign_up("mo@home.example")
    options = await passkeys.begin_registration(world.parts, entered.signed_in)
    theirs = await passkeys.begin_registration(world.parts, other.signed_in)
    answers = [
        phone.create(options, verified=False),
        phone.create(options, origin="https://evil.example"),
        phone.create(theirs),
        {},
        {"id": 1, "response": []},
        nested(phone.create(options)),
    ]
    for answer in answers:
        with pytest.raises(PasskeyRefused):
            await passkeys.finish_registration(
                world.parts, CONTEXT, entered.signed_in, answer, name="x"
            )
    assert "passkey" not in world.kinds()


async def test_a_passkey_belongs_to_one_account(world: World, phone: Authenticator) -> None:
    _, credential_id = await added(world, phone)
    other = await world.sign_up("mo@home.example")
    options = await passkeys.begin_registration(world.parts, other.signed_in)
    answer = phone.create(options)
    held = await world.vault.get(f"passkey#{credential_id}")
    assert held is not None
    await world.vault.put(f"passkey#{answer['id']}", held)
    with pytest.raises(PasskeyRefused):
        await passkeys.finish_registration(world.parts, CONTEXT, other.signed_in, answer, name="x")


async def test_a_passkey_that_was_removed_is_unknown(world: World, phone: Authenticator) -> None:
    entered, credential_id = await added(world, phone)
    signed_in = entered.signed_in
    await passkeys.remove_passkey(world.parts, CONTEXT, signed_in, credential_id)
    with pytest.raises(PasskeyRefused):
        await sign_in(world, phone.get(passkeys.begin_authentication(world.parts)))
    with pytest.raises(PasskeyNotFound):
        await passkeys.remove_passkey(world.parts, CONTEXT, signed_in, credential_id)
    assert "passkey" not in world.kinds()


async def test_a_passkey_confirms_who_is_signed_in(world: World, phone: Authenticator) -> None:
    entered, _ = await added(world, phone)
    other = await world.sign_up("mo@home.example")
    world.clock.move(hours=1)
    signed_in = entered.signed_in
    with pytest.raises(SignInTooOld):
        await passkeys.begin_registration(world.parts, signed_in)
    answer = phone.get(passkeys.begin_authentication(world.parts, signed_in))
    renewed = await passkeys.confirm_with_passkey(world.parts, CONTEXT, signed_in, answer)
    renewed.require_recent(world.clock.now())
    now = world.clock.now()
    assert await current_session(world.vault, entered.cookie, now=now) == renewed
    answer = phone.get(passkeys.begin_authentication(world.parts, other.signed_in))
    with pytest.raises(PasskeyRefused):
        await passkeys.confirm_with_passkey(world.parts, CONTEXT, other.signed_in, answer)


async def test_a_visitor_does_not_try_for_ever(world: World, phone: Authenticator) -> None:
    await added(world, phone)
    options = passkeys.begin_authentication(world.parts)
    for _ in range(OF_VISITOR.most):
        with pytest.raises(PasskeyRefused):
            await sign_in(world, phone.get(options, verified=False))
    with pytest.raises(TooManyAttempts):
        await sign_in(world, phone.get(options))


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://homecast.example", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
    ],
)
def test_a_passkey_needs_a_domain(world: World, url: str, fits: bool) -> None:
    parts = replace(world.parts, public_url=url)
    if fits:
        assert json.loads(passkeys.begin_authentication(parts))["challenge"]
    else:
        with pytest.raises(PasskeysNeedADomain):
            passkeys.begin_authentication(parts)


BROKEN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("AAAA"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_broken_answer_is_refused_and_nothing_else(data: st.DataObject) -> None:
    """Any part of a good answer replaced by anything."""

    async def run() -> None:
        world, phone = World(), Authenticator(URL)
        entered = await world.sign_up()
        options = await passkeys.begin_registration(world.parts, entered.signed_in)
        create = phone.create(options)
        get = phone.get(passkeys.begin_authentication(world.parts))
        for answer in (create, get):
            part = data.draw(st.sampled_from([answer, answer["response"]]))
            part[data.draw(st.sampled_from(sorted(part)))] = data.draw(BROKEN)
        for call in (
            passkeys.finish_registration(world.parts, CONTEXT, entered.signed_in, create, name="x"),
            sign_in(world, get),
        ):
            try:
                await call
            except PasskeyRefused:
                continue

    asyncio.run(run())


@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1))
@settings(max_examples=300, deadline=None)
def test_a_damaged_attestation_is_refused_and_nothing_else(flips: list[tuple[int, int]]) -> None:
    async def run() -> None:
        from tests.support.authenticator import decoded

        world, phone = World(), Authenticator(URL)
        entered = await world.sign_up()
        options = await passkeys.begin_registration(world.parts, entered.signed_in)
        answer = phone.create(options)
        for name in ("attestationObject", "clientDataJSON"):
            raw = bytearray(decoded(answer["response"][name]))
            for place, bits in flips:
                raw[place % len(raw)] ^= bits
            damaged = copy.deepcopy(answer)
            damaged["response"][name] = encoded(bytes(raw))
            try:
                await passkeys.finish_registration(
                    world.parts, CONTEXT, entered.signed_in, damaged, name="x"
                )
            except PasskeyRefused:
                continue

    asyncio.run(run())
