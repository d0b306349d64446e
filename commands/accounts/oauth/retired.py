"""Whether a token's client is still there; by itself, for processes that serve no OAuth."""

from __future__ import annotations

from commands.accounts.oauth.ports import Bearer, KnownClients


async def is_of_a_client(clients: KnownClients, bearer: Bearer) -> bool:
    """Not of one that was retired since, be it registered again or not; a personal access token is
    of none."""
    if bearer.client_id is None:
        return True
    client = await clients.find(bearer.client_id)
    return client is not None and (bearer.created_at is None or client.has_given(bearer.created_at))
