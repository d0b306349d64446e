"""All of ``serverless.yml`` on the embedded AWS: resources, functions and their event sources.

`osls` deploys it as it does to AWS, told where AWS is. Its workers run functions with the Python
that runs the engine, so the libraries stay out of the package. Needs ``npm ci`` in a checkout.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from adapters.outbound.aws_stack.artifacts import ROOT, build_code
from adapters.outbound.aws_stack.mends import mend
from adapters.outbound.aws_stack.provision import Place, StackFailed, describe, media_on_aws
from adapters.outbound.aws_stack.template import load_template, variable_of

OSLS = ROOT / "node_modules" / ".bin" / "osls"
SECONDS = 180
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


async def deploy(place: Place, *, stage: str, redis_url: str) -> dict[str, str]:
    """Create or update the stage; the environment that it makes for processes beside it, with the
    API's address. Raises ``StackFailed``."""
    await asyncio.to_thread(build_code)
    arguments = ("deploy", "--stage", stage, "--region", place.region)
    given = ("archive=code", f"redisUrl={redis_url}", f"mediaOnAws={media_on_aws(place)}")
    parameters = [part for one in given for part in ("--param", one)]
    await osls(*arguments, *parameters, environment=address_of(place))
    stack, template = f"homecast-{stage}", load_template()
    await mend(place, stack, template)
    async with place.client("cloudformation") as client:
        described = await describe(client, stack)
        api = await client.describe_stack_resource(StackName=stack, LogicalResourceId="HttpApi")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
    api_id = api["StackResourceDetail"]["PhysicalResourceId"]
    return {
        **{variable_of(key): outputs[key] for key in template["Outputs"]},
        "HOMECAST_API_URL": f"{place.endpoint_url}/_aws/execute-api/{api_id}",
    }


def address_of(place: Place) -> dict[str, str]:
    """What points the AWS SDK of `osls` there, and only there."""
    assert place.endpoint_url is not None, "a stage goes to AWS by `osls deploy` itself"
    return {
        "AWS_ENDPOINT_URL": place.endpoint_url,
        "AWS_ACCESS_KEY_ID": place.access_key or "",
        "AWS_SECRET_ACCESS_KEY": place.secret_key or "",
        "NO_PROXY": "127.0.0.1",
    }


async def osls(*arguments: str, environment: Mapping[str, str]) -> None:
    """Raises ``StackFailed`` with all that it said."""
    if not OSLS.exists():
        raise StackFailed("osls is missing: run `npm ci` in the checkout")
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(str(OSLS), *arguments),
        cwd=ROOT,
        env=inherited | dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise StackFailed(f"osls {arguments[0]} failed:\n{said.decode()}")
