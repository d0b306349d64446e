"""Mails from the request to the folder or to SES."""

from __future__ import annotations

import stat
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from adapters.inbound.workers.ports import Delivery
from adapters.outbound.mail.delivery import MailDelivery
from adapters.outbound.mail.local import KEPT, LocalMailer, recent
from adapters.outbound.mail.ses import SesMailer, request_of
from adapters.outbound.mail.templates import TEMPLATES, render
from commands.accounts.mail import KIND, LIFETIME, MAIL_POLICY, SINCE, MailKind, request_mail
from commands.accounts.ports import Mail, MailRefused, MailUnavailable
from commands.kernel.policy import Effect, Emit
from domain.accounts.mail import MailRequested
from domain.kernel.errors import StoreUnavailable
from tests.support.accounts import CONTEXT, EMAIL, MovableClock, World
from tests.support.given_policy import given_policy

SENDER = "Homecast <no-reply@homecast.example>"
MAIL = Mail("01KA0000000000000000000001", EMAIL, "Küche 💡", "Hallo\n\nhttps://x", "<p>Hallo</p>")
PARAMETERS = {
    "link": "https://homecast.example/x?token=abc&y=1",
    "name": "<script>alert(1)</script> {left}",
    "left": "9",
    "at": "now",
    "address": "203.0.113.7",
    "country": "DE",
    "agent": "Mozilla\r\nBcc: all@home.example",
    "due": "tomorrow",
    "inviter": "mo@home.example",
    "role": "guest",
    "until": "tomorrow",
}


# --- what they say --------------------------------------------------------------------------------


def test_every_kind_has_a_template() -> None:
    assert set(TEMPLATES) == set(get_args(MailKind))


@pytest.mark.parametrize("kind", get_args(MailKind))
def test_a_mail_says_the_same_as_text_and_as_html(kind: MailKind) -> None:
    mail = render("1", EMAIL, kind, PARAMETERS)
    assert (mail.to, "\n" in mail.subject) == (EMAIL, False)
    assert "<script>" not in mail.html
    assert "{" not in (mail.text + mail.html).replace("{left}", "")
    if TEMPLATES[kind].link:
        assert PARAMETERS["link"] in mail.text
        assert 'href="https://homecast.example/x?token=abc&amp;y=1"' in mail.html
    for tracking in ("<img", "src=", "http://", "utm_"):
        assert tracking not in mail.html


@pytest.mark.parametrize("kind", get_args(MailKind))
def test_a_subject_takes_no_parameters(kind: MailKind) -> None:
    """What others choose must not end up in a header."""
    assert [name for _, name, _, _ in Formatter().parse(TEMPLATES[kind].subject) if name] == []


# --- the policy -----------------------------------------------------------------------------------


def test_each_mail_goes_into_the_outbox_by_its_id_alone() -> None:
    event = MailRequested(
        originator_id="mail-01KA0000000000000000000001",
        originator_version=1,
        timestamp=SINCE,
        kind="sign_up",
        account_id=None,
    )
    given_policy(MAIL_POLICY).when(event).then(
        effects=[Emit(KIND, {"mail_id": "01KA0000000000000000000001"})]
    )


# --- the outbox -----------------------------------------------------------------------------------


class Sending:
    """A mailer that keeps what it gets, or raises."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(mail)


async def requested(world: World, **more: Any) -> Effect:
    async def decide(unit: Any) -> str:
        options: dict[str, Any] = {"parameters": {"link": "https://x"}, **more}
        return await request_mail(unit, world.ids, "sign_up", to=EMAIL, **options)

    mail_id, _ = await world.dispatcher.execute(CONTEXT, decide)
    return Effect("id", KIND, {"mail_id": mail_id}, "c", "m")


def delivery(world: World, mailer: Sending) -> MailDelivery:
    return MailDelivery(world.vault, mailer, clock=world.clock)


async def test_a_mail_is_sent_and_its_secrets_are_deleted(world: World) -> None:
    effect, mailer = await requested(world), Sending()
    assert await delivery(world, mailer).deliver(effect) == Delivery("delivered")
    assert [one.to for one in mailer.sent] == [EMAIL]
    assert world.vault.items == {}
    again = await delivery(world, mailer).deliver(effect)
    assert (again.outcome, len(mailer.sent)) == ("gone", 1)


async def test_a_mail_that_cannot_be_sent_now_is_kept(world: World) -> None:
    effect, mailer = await requested(world), Sending(MailUnavailable("SES: x"))
    assert await delivery(world, mailer).deliver(effect) == Delivery("retry", "SES: x")
    assert await delivery(world, mailer).deliver(effect) == Delivery("delivered")


async def test_a_mail_that_nobody_takes_is_given_up(world: World) -> None:
    effect, mailer = await requested(world), Sending(MailRefused("SES: MessageRejected"))
    given_up = Delivery("given_up", "SES: MessageRejected")
    assert await delivery(world, mailer).deliver(effect) == given_up
    assert await delivery(world, mailer).deliver(effect) == Delivery("delivered"), "put back"
    effect, mailer = await requested(world), Sending(MailRefused("SES: MessageRejected"))
    assert await delivery(world, mailer).deliver(effect) == given_up
    world.clock.move(seconds=LIFETIME.total_seconds())
    assert (await delivery(world, mailer).deliver(effect)).outcome == "gone"
    assert world.vault.items == {}


async def test_a_mail_that_is_too_late_is_dropped(world: World) -> None:
    effect, mailer = await requested(world), Sending()
    world.clock.move(seconds=LIFETIME.total_seconds())
    assert (await delivery(world, mailer).deliver(effect)).outcome == "gone"
    assert (mailer.sent, world.vault.items) == ([], {})


async def test_a_mail_without_what_it_needs_is_given_up(world: World) -> None:
    effect, mailer = await requested(world, parameters={}), Sending()
    assert (await delivery(world, mailer).deliver(effect)).outcome == "given_up"


async def test_without_the_vault_it_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    effect, mailer = await requested(world), Sending()

    async def away(key: str) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.vault, "get", away)
    assert (await delivery(world, mailer).deliver(effect)).outcome == "retry"
    assert mailer.sent == []


# --- the folder -----------------------------------------------------------------------------------


async def test_a_person_reads_the_mails_of_this_machine_newest_first(tmp_path: Path) -> None:
    clock = MovableClock()
    folder = tmp_path / "mail"
    assert recent(folder) == []
    mailer = LocalMailer(folder, sender=SENDER, clock=clock)
    for number in range(3):
        clock.move(minutes=1)
        await mailer.send(Mail(f"0{number}", "küche@home.example", MAIL.subject, MAIL.text, "<p>"))
    letters = recent(folder, 2)
    assert [one.id for one in letters] == ["02", "01"]
    newest = letters[0]
    assert (newest.to, newest.subject) == ("küche@home.example", "Küche 💡")
    assert newest.text.strip() == MAIL.text
    assert newest.html.strip() == "<p>"
    assert newest.sent_at == clock.now()
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_the_folder_keeps_the_newest(tmp_path: Path) -> None:
    mailer = LocalMailer(tmp_path, sender=SENDER, clock=MovableClock())
    for number in range(KEPT + 2):
        await mailer.send(Mail(f"{number:04}", EMAIL, "s", "t", "h"))
    assert len(recent(tmp_path, 2 * KEPT)) == KEPT
    assert recent(tmp_path, 1)[0].id == f"{KEPT + 1:04}"


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    mailer = LocalMailer(tmp_path / "file" / "mail", sender=SENDER, clock=MovableClock())
    with pytest.raises(MailUnavailable):
        await mailer.send(MAIL)


# --- SES ------------------------------------------------------------------------------------------


class Blocking:
    """botocore's own client, which checks requests by the service's model, behind our protocol."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def send_email(self, **request: Any) -> Any:
        return self.client.send_email(**request)


@pytest.fixture
def client() -> Any:
    return botocore.session.get_session().create_client(
        "sesv2",
        region_name="eu-central-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


async def test_ses_is_asked_as_its_model_says(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_response("send_email", {"MessageId": "1"}, request_of(MAIL, sender=SENDER))
        await SesMailer(Blocking(client), sender=SENDER).send(MAIL)
        stub.assert_no_pending_responses()
    content = request_of(MAIL, sender=SENDER)["Content"]["Simple"]
    assert content["Body"]["Text"] == {"Data": MAIL.text, "Charset": "UTF-8"}


def test_ses_gets_addresses_as_it_takes_them() -> None:
    mail = Mail("1", "jo@küche.example", "s", "t", "h")
    assert request_of(mail, sender=SENDER)["Destination"] == {
        "ToAddresses": ["jo@xn--kche-0ra.example"]
    }
    with pytest.raises(MailRefused):
        request_of(Mail("1", "küche@home.example", "s", "t", "h"), sender=SENDER)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("MessageRejected", MailRefused),
        ("BadRequestException", MailRefused),
        ("TooManyRequestsException", MailUnavailable),
        ("LimitExceededException", MailUnavailable),
        ("SendingPausedException", MailUnavailable),
        ("AccountSuspendedException", MailUnavailable),
        ("MailFromDomainNotVerifiedException", MailUnavailable),
        ("NotFoundException", MailUnavailable),
    ],
)
async def test_errors_of_ses_are_for_good_or_for_now(
    client: Any, code: str, error: type[Exception]
) -> None:
    known = client.meta.service_model.operation_model("SendEmail").error_shapes
    assert code in {shape.name for shape in known}
    with Stubber(client) as stub:
        stub.add_client_error("send_email", code, f"{EMAIL} is not allowed")
        with pytest.raises(error) as raised:
            await SesMailer(Blocking(client), sender=SENDER).send(MAIL)
    assert isinstance(raised.value.__cause__, ClientError)
    assert EMAIL not in str(raised.value)


@pytest.mark.parametrize(
    "said",
    [
        f"Email address is not verified. The following identities failed the check: {EMAIL}",
        "Account is in the sandbox",
        "Email sending is paused for this account",
    ],
)
async def test_what_is_wrong_with_the_sender_can_be_mended(client: Any, said: str) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("send_email", "MessageRejected", said)
        with pytest.raises(MailUnavailable):
            await SesMailer(Blocking(client), sender=SENDER).send(MAIL)


async def test_ses_that_is_away_is_tried_again() -> None:
    class Away:
        async def send_email(self, **request: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="https://ses")

    with pytest.raises(MailUnavailable):
        await SesMailer(Away(), sender=SENDER).send(MAIL)
