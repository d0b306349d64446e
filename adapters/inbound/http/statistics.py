"""The routes of statistics, beacons and reports, for processes: functions do not serve them."""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI

from adapters.inbound.http import beacons, reports
from adapters.inbound.http.beacons import BeaconContainer
from adapters.inbound.http.reports import ReportsContainer


class Statistics(BeaconContainer, ReportsContainer, Protocol):
    """What both need."""


def mount(app: FastAPI, *, statistics: Statistics) -> None:
    app.state.beacons = app.state.reports = statistics
    for router in (beacons.router, reports.router):
        app.router.routes += router.routes
