"""What a film is, found out in a bounded process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.outbound.transcoding.program import Limits, run
from domain.media.rendition import Source
from domain.media.unusable import NoPicture, TooLong, TooManyPixels, Undecodable, Unusable

PROBING = str(Path(__file__).with_name("probing.py"))
CODES: dict[str, type[Unusable]] = {
    one.code: one for one in (Undecodable, NoPicture, TooLong, TooManyPixels)
}


@dataclass(frozen=True)
class Probe:
    """``most_pixels``: of a picture, 8K by default; ``most_seconds``: of a film; ``seconds``: that
    looking may take."""

    most_pixels: int = 7680 * 4320
    most_seconds: float = 600.0
    seconds: float = 30.0

    async def probe(self, path: Path) -> Source:
        """Raises a leaf of ``Unusable``. One that hangs or crashes the decoder is undecodable."""
        await asyncio.to_thread(path.stat)  # a file that is not there says nothing of the film
        command = [sys.executable, "-I", PROBING, str(path)]
        command += [str(self.most_pixels), str(self.most_seconds)]
        ended = await run(command, Limits(self.seconds, file_size=0, memory=6 * 1024**3))
        if ended.code is None:
            raise Undecodable(f"not understood within {self.seconds:g} s")
        if ended.code != 0:
            raise Undecodable("the decoder failed", exit_code=ended.code)
        return _source(json.loads(ended.out))


def _source(answer: dict[str, Any]) -> Source:
    if "error" in answer:
        raise CODES[answer["error"]](answer["detail"])
    try:
        return Source.model_validate(answer)
    except ValidationError as error:
        raise Undecodable("the film's own figures make no sense") from error
