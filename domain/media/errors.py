"""Errors of the media context."""

from __future__ import annotations

from domain.kernel.errors import NotFound, Refused, Unavailable


class TranscoderUnavailable(Unavailable):
    """The transcoder cannot be reached, or has as much to do as it takes."""

    code = "transcoder_unavailable"


class JobRefused(Refused):
    """The transcoder will never take the job as it is."""

    code = "job_refused"


class CreativeNotFound(NotFound):
    """No creative has this id."""

    code = "creative_not_found"


class BrokerNotFound(NotFound):
    """No broker has this name."""

    code = "broker_not_found"
