"""``python -m adapters.inbound.cli`` is ``homecast``."""

from adapters.inbound.cli.main import app

app(prog_name="homecast")
