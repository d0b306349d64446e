"""One's data: download it, delete the account, think again."""

from __future__ import annotations

import orjson
from fastapi import Response

from adapters.inbound.http.accounts.rendering import security_headers
from adapters.inbound.http.accounts.visit import Visit
from commands.accounts.export import export_data
from commands.accounts.leaving import ask_for_deletion, call_off_deletion, deletion_due

HERE = "/account/data"


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def _page(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    accounts = visit.pages.accounts
    return visit.page(
        "data.html",
        errors=errors,
        due_at=await deletion_due(accounts, visit.me.account_id),
        waiting_days=accounts.deletion_waits.days,
        here=HERE,
    )


async def download(visit: Visit) -> Response:
    pages = visit.pages
    exported = await export_data(pages.accounts, visit.me, pages.sections)
    headers = {
        **security_headers(secure=pages.cookies.secure),
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="homecast-{visit.now:%Y-%m-%d}.json"',
    }
    content = orjson.dumps(exported, option=orjson.OPT_INDENT_2, default=str)
    return visit.finish(Response(content, 200, headers, "application/json"))


async def delete(visit: Visit) -> Response:
    if visit.field("sure") != "yes":
        return await _page(visit, {"sure": "Tick the box to show that you mean it."})
    await ask_for_deletion(visit.pages.accounts, visit.context, visit.me)
    return visit.see_other(HERE, done="deletion-asked")


async def keep(visit: Visit) -> Response:
    await call_off_deletion(visit.pages.accounts, visit.context, visit.me)
    return visit.see_other(HERE, done="deletion-canceled")
