"""Why an original cannot be rendered. None of it is cured by another attempt.

Refused
└── Unusable
    ├── Undecodable     broken, cut off, or of a kind that no decoder here reads (VAST 405)
    ├── NoPicture       has no video stream, or no frame in it (VAST 403)
    ├── TooLong         over the longest film (VAST 202)
    └── TooManyPixels   over the largest picture (VAST 203)
"""

from __future__ import annotations

from domain.kernel.errors import Refused


class Unusable(Refused):
    code = "unusable"


class Undecodable(Unusable):
    """The film is broken, cut off, or of a kind that cannot be read."""

    code = "undecodable"


class NoPicture(Unusable):
    """The film has no video stream, or no frame in it."""

    code = "no_picture"


class TooLong(Unusable):
    """The film is longer than any ad that is taken."""

    code = "too_long"


class TooManyPixels(Unusable):
    """The film's picture is larger than any that is taken."""

    code = "too_many_pixels"
