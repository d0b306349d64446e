"""Mails out of the outbox: the vault's item is rendered, sent, and deleted.

A mail is sent once, or twice when this process dies between the sending and the deleting. One that
was given up stays until it expires, so that it can be put back (redriven) until then.
"""

from __future__ import annotations

from pydantic import ValidationError

from adapters.inbound.workers.ports import Delivery
from adapters.outbound.mail.templates import render
from commands.accounts.mail import PREFIX, MailItem
from commands.accounts.ports import Mailer, MailRefused, MailUnavailable
from commands.kernel.policy import Effect
from commands.kernel.ports import Clock, Vault
from domain.kernel.errors import StoreUnavailable


class MailDelivery:
    """Port ``EffectHandler``."""

    def __init__(self, vault: Vault, mailer: Mailer, *, clock: Clock) -> None:
        self._vault = vault
        self._mailer = mailer
        self._clock = clock

    async def deliver(self, effect: Effect) -> Delivery:
        mail_id = str(effect.body["mail_id"])
        try:
            delivery = await self._deliver(mail_id)
            if delivery.outcome in ("delivered", "gone"):
                await self._vault.delete(PREFIX + mail_id)
        except StoreUnavailable as error:
            return Delivery("retry", error.code)
        return delivery

    async def _deliver(self, mail_id: str) -> Delivery:
        held = await self._vault.get(PREFIX + mail_id)
        if held is None:
            return Delivery("gone", "was sent before, or has expired")
        try:
            item = MailItem.model_validate(held)
            if item.expires_at <= self._clock.now():
                return Delivery("gone", "too late to be sent")
            await self._mailer.send(render(mail_id, item.to, item.kind, item.parameters))
        except (ValidationError, KeyError):
            return Delivery("given_up", "a mail that cannot be rendered")
        except MailRefused as error:
            return Delivery("given_up", error.detail)
        except MailUnavailable as error:
            return Delivery("retry", error.detail)
        return Delivery("delivered")
