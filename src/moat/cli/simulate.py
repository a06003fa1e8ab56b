"""`moat simulate`: a provider of rules, recordings or faults as an OpenAI-compatible server."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from moat.bootstrap.http_server import listen
from moat.cli.group import group
from moat.cli.output import err
from moat.domain.errors import InputError
from moat.testing.faults import Script, read_script
from moat.testing.faults_choice import parse_fault
from moat.testing.faults_kinds import FAULTS
from moat.testing.faults_server import FaultServer, serving_faults
from moat.testing.replay import Recording, ReplayProvider
from moat.testing.server import ProviderServer
from moat.testing.simulated import SimulatedProvider
from moat.testing.simulation import read_simulation

app = group()


@app.command()
def run(
    rules: Annotated[Path | None, typer.Option(help="Rules file of a simulated provider.")] = None,
    recording: Annotated[Path | None, typer.Option(help="Recording of a replay provider.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND[,KEY=VALUE...]", help="Fail like this, such as 429,rate=0.2; may be repeated."),
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="Fail as a script says (YAML).")] = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Print the kinds of faults.")] = False,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 4010,
) -> None:
    """Serve simulated (--rules) or recorded (--recording) answers, or faults (--fault, --faults), until Ctrl-C."""
    if list_faults:
        _list_faults()
        return
    if sum((rules is not None, recording is not None, bool(fault), faults is not None)) != 1:
        raise InputError(
            "give one of --rules, --recording, --fault and --faults",
            remedy="moat simulate --rules simulation/support.yaml",
        )
    if fault or faults is not None:
        script = read_script(faults) if faults else Script(faults=tuple(parse_fault(text) for text in fault or ()))
        asyncio.run(_fail(FaultServer(script), host, port))
    elif rules is not None:
        _answer(SimulatedProvider(read_simulation(rules)), "simulated", host, port)
    elif recording is not None:
        _answer(ReplayProvider(Recording.read(recording)), "replaying", host, port)


def _list_faults() -> None:
    typer.echo("429, 503, ...      answers with that status, from 400 to 599; `retry_after` names seconds")
    for kind in FAULTS.values():
        typer.echo(f"{kind.name:<18} {kind.what}")


def _answer(provider: SimulatedProvider | ReplayProvider, kind: str, host: str, port: int) -> None:
    simulated = kind == "simulated"
    listener = listen(host, port)
    err.print(f"A {kind} provider answers on http://{host}:{listener.getsockname()[1]}/v1", style="bold")
    server = ProviderServer(provider, models=["simulated" if simulated else "replay"], simulated=simulated)
    config = uvicorn.Config(server, log_config=None, access_log=False, lifespan="off", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])


async def _fail(server: FaultServer, host: str, port: int) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving_faults(server, listen(host, port)):
        err.print(f"A simulated provider fails on purpose on {server.url}/v1", style="bold")
        await stop.wait()
    counts = server.books.counts()
    billed = counts["billed"]
    err.print(f"{counts['requests']} requests, billed {billed['input']} input and {billed['output']} output tokens")
    for kind, count in counts["faults"].items():
        err.print(f"  {count:>6}  {kind}")
