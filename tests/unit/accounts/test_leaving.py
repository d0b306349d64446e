"""Leaving, one's data, and what must be seen nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import structlog

from commands.accounts import forgetting, identity, leaving, passkeys, second_factor, signing_in
from commands.accounts.export import export_data
from commands.accounts.forgetting import CloseAccount, FinishForgetting, StartForgetting
from commands.accounts.passwords import WrongCredentials
from commands.accounts.sign_in_sessions import SignInTooOld, current_session, start_session
from commands.accounts.signing_in import CodeNeeded
from commands.accounts.signing_up import reset_password
from domain.accounts.account import AccountNotFound
from domain.accounts.forgetting import ForgettingHasStarted
from tests.support.accounts import CONTEXT, EMAIL, PASSWORD, URL, VISITOR, World, no_apps
from tests.support.authenticator import Authenticator
from tests.unit.accounts.test_passkeys import added
from tests.unit.accounts.test_second_factor import App, enrolled


async def started(world: World, account_id: str) -> None:
    world.clock.move(days=7)
    message = StartForgetting(account_id=account_id)
    await world.dispatcher.execute(CONTEXT, lambda unit: forgetting.start_forgetting(unit, message))


async def test_a_deletion_waits_and_is_called_off_by_who_signs_in(world: World) -> None:
    entered = await world.sign_up()
    account_id = entered.signed_in.account_id
    assert await leaving.deletion_due(world.parts, account_id) is None
    due = await leaving.ask_for_deletion(world.parts, CONTEXT, entered.signed_in)
    assert due == world.clock.now() + timedelta(days=7)
    assert await leaving.ask_for_deletion(world.parts, CONTEXT, entered.signed_in) == due
    assert (await world.mail_kinds()).count("deletion_requested") == 1
    world.clock.move(days=6)
    again = await world.entered()
    with pytest.raises(SignInTooOld):
        await leaving.ask_for_deletion(world.parts, CONTEXT, entered.signed_in)
    for _ in range(2):
        await leaving.call_off_deletion(world.parts, CONTEXT, again.signed_in)
    assert await leaving.deletion_due(world.parts, account_id) is None
    assert (await world.mail_kinds()).count("deletion_canceled") == 1


async def test_a_forgotten_account_leaves_nothing_and_frees_its_address(world: World) -> None:
    entered, _, _ = await enrolled(world)
    account_id = entered.signed_in.account_id
    world.clock.move(minutes=-1)
    await added(world, Authenticator(URL), entered)
    other = await world.sign_up("mo@home.example")
    await world.sign_in()
    await leaving.ask_for_deletion(world.parts, CONTEXT, entered.signed_in)
    await started(world, account_id)
    for _ in range(2):
        await world.eraser().close(CONTEXT, CloseAccount(account_id=account_id))
    left = [key for key in world.vault.items if account_id in key]
    assert left == []
    held = [key for key, value in await world.vault.list("") if account_id in json.dumps(value)]
    assert {key.partition("#")[0] for key in held} <= {"signin", "mail", "link"}, "these expire"
    assert world.kinds() == ["password", "session", "signin"]
    assert (await world.said(f"account-{account_id}"))[-1] == "AccountClosed"
    assert await world.said(f"email-{world.keys.email_hash(EMAIL)}") == [
        "EmailReserved",
        "EmailReleased",
    ]
    now = world.clock.now()
    assert await current_session(world.vault, entered.cookie, now=now) is None
    assert await current_session(world.vault, other.cookie, now=now) is not None
    with pytest.raises(WrongCredentials):
        await world.sign_in()
    with pytest.raises(ForgettingHasStarted):
        await leaving.call_off_deletion(world.parts, CONTEXT, entered.signed_in)
    again = await world.sign_up()
    assert again.signed_in.account_id != account_id
    await world.eraser().finish(CONTEXT, FinishForgetting(account_id=account_id))
    assert await world.memory.keyring.forgotten(account_id)
    assert "jo@" not in (await world.account(account_id)).email


async def test_nothing_begins_in_an_account_that_is_being_closed(world: World) -> None:
    """Not by a link, a code or a passkey from before, nor by a session begun at the same time."""
    entered, app, codes = await enrolled(world)
    account_id, phone = entered.signed_in.account_id, Authenticator(URL)
    world.clock.move(minutes=-1)
    await added(world, phone, entered)
    needed = await world.sign_in()
    assert isinstance(needed, CodeNeeded)
    await leaving.ask_for_deletion(world.parts, CONTEXT, entered.signed_in)
    world.clock.move(days=6, hours=23, minutes=59)
    await world.ask("reset")
    token = await world.last_token()
    world.clock.move(days=-6, hours=-23, minutes=-59)
    answer = phone.get(passkeys.begin_authentication(world.parts))
    await started(world, account_id)
    await world.eraser().close(CONTEXT, CloseAccount(account_id=account_id))
    with pytest.raises(AccountNotFound):
        await reset_password(
            world.parts,
            CONTEXT,
            token=token,
            password="quite another",
            visitor=VISITOR,
            end_own_apps=no_apps,
        )
    world.clock.move(days=-7)
    with pytest.raises(signing_in.PendingSignInOver):
        await signing_in.enter_code(
            world.parts, CONTEXT, pending=needed.pending, code=codes[0], visitor=VISITOR
        )
    with pytest.raises(passkeys.PasskeyRefused):
        await passkeys.sign_in_with_passkey(world.parts, CONTEXT, answer, visitor=VISITOR)
    with pytest.raises(AccountNotFound):
        await world.dispatcher.execute(
            CONTEXT,
            lambda unit: start_session(
                unit, ids=world.ids, account_id=account_id, amr=("pwd",), visitor=VISITOR
            ),
        )
    assert app


async def test_an_account_is_closed_only_when_its_forgetting_has_started(world: World) -> None:
    entered = await world.sign_up()
    account_id = entered.signed_in.account_id
    await world.eraser().close(CONTEXT, CloseAccount(account_id=account_id))
    await leaving.ask_for_deletion(world.parts, CONTEXT, entered.signed_in)
    await world.eraser().close(CONTEXT, CloseAccount(account_id=account_id))
    await world.eraser().finish(CONTEXT, FinishForgetting(account_id=account_id))
    await world.entered()


async def test_an_account_by_tokens_alone_is_forgotten_too(world: World) -> None:
    account_id = world.ids.new()
    message = forgetting.RequestForgetting(account_id=account_id, after=timedelta(0))
    await world.dispatcher.execute(
        CONTEXT, lambda unit: forgetting.request_forgetting(unit, message)
    )
    await started(world, account_id)
    await world.eraser().close(CONTEXT, CloseAccount(account_id=account_id))
    await world.eraser().finish(CONTEXT, FinishForgetting(account_id=account_id))
    assert (await world.said(f"forgetting-{account_id}"))[-1] == "AccountForgotten"
    assert await world.said(f"account-{account_id}") == []


# --- one's data -----------------------------------------------------------------------------------


class Grants:
    name = "services"

    async def export(self, account_id: str) -> Mapping[str, Any]:
        return {"of": account_id}


async def test_ones_data_are_all_there_and_hold_no_secret(world: World) -> None:
    entered, _, codes = await enrolled(world)
    world.clock.move(minutes=-1)
    _, credential_id = await added(world, Authenticator(URL), entered)
    data = await export_data(world.parts, entered.signed_in, [Grants()])
    text = json.dumps(data)
    assert data["account"]["email"] == EMAIL
    assert data["account"]["passkeys"][0]["credential_id"] == credential_id
    assert data["account"]["recovery_codes_left"] == len(codes)
    assert data["sessions"][0]["address"] == VISITOR.address
    assert data["services"] == {"of": entered.signed_in.account_id}
    for secret in (PASSWORD, entered.cookie, entered.device_cookie, *codes, "hash", "sealed"):
        assert secret not in text
    world.clock.move(hours=1)
    with pytest.raises(SignInTooOld):
        await export_data(world.parts, entered.signed_in)


# --- secrets --------------------------------------------------------------------------------------


async def test_no_secret_and_no_address_is_in_any_event_or_log(world: World) -> None:
    """A whole life of an account; what is stored and published of it, and what is logged."""
    secrets = [PASSWORD, "quite another one", "last password of all"]
    with structlog.testing.capture_logs() as logs:
        await world.ask("sign_up")
        secrets.append(await world.last_token())
        entered = await world.sign_up("jo2@home.example")
        signed_in = entered.signed_in
        enrolment = await second_factor.begin_totp(world.parts, signed_in)
        app = App(world, enrolment.secret)
        codes = await second_factor.confirm_totp(world.parts, CONTEXT, signed_in, app.code())
        phone = Authenticator(URL)
        await added(world, phone, entered)
        needed = await world.sign_in(email="jo2@home.example")
        assert isinstance(needed, CodeNeeded)
        found = await signing_in.enter_code(
            world.parts, CONTEXT, pending=needed.pending, code=codes[0], visitor=VISITOR
        )
        await identity.ask_for_email_change(world.parts, CONTEXT, signed_in, "new@home.example")
        await identity.change_password(
            world.parts,
            CONTEXT,
            signed_in,
            current=PASSWORD,
            new=secrets[1],
            visitor=VISITOR,
            end_own_apps=no_apps,
        )
        with pytest.raises(WrongCredentials):
            await world.sign_in("a wrong password", email="jo2@home.example")
        await world.parts.later.settled()
        await world.ask("reset", "jo2@home.example")
        secrets += [
            await world.last_token(),
            enrolment.secret,
            *codes,
            *(code.replace("-", "") for code in codes),
            needed.pending,
            *(one.cookie[-43:] for one in (entered, found)),
            *(one.device_cookie for one in (entered, found)),
            "a wrong password",
            "quick$",
        ]
        for pending in await world.vault.list("mail#"):
            assert pending
    stored = ""
    async for recorded in world.memory.scan_items():
        stored += json.dumps(recorded)
    addresses = [EMAIL, "jo2@", "new@", "home.example", VISITOR.address, VISITOR.agent, "phone"]
    for secret in (*secrets, *addresses):
        assert secret not in stored, secret
        assert secret not in repr(logs), secret
    events = " ".join(one.model_dump_json() for one in await world.events())
    for secret in secrets:
        assert secret not in events, secret


async def test_what_is_shown_once_is_not_in_a_representation(world: World) -> None:
    entered = await world.sign_up()
    assert entered.cookie not in repr(entered)
    assert entered.device_cookie not in repr(entered)
    _, mail = (await world.mails())[-1]
    assert "token=" not in repr(mail)
