"""`moat simulate`: a provider of rules or recordings as an OpenAI-compatible server."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from moat.bootstrap.server import listen
from moat.cli.group import group
from moat.cli.output import err
from moat.domain.errors import InputError
from moat.testing.replay import Recording, ReplayProvider
from moat.testing.server import ProviderServer
from moat.testing.simulated import SimulatedProvider
from moat.testing.simulation import read_simulation

app = group()


@app.command()
def run(
    rules: Annotated[Path | None, typer.Option(help="Rules file of a simulated provider.")] = None,
    recording: Annotated[Path | None, typer.Option(help="Recording of a replay provider.")] = None,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 4010,
) -> None:
    """Serve simulated (--rules) or recorded (--recording) answers until Ctrl-C."""
    if (rules is None) == (recording is None):
        raise InputError("give one of --rules and --recording", remedy="moat simulate --rules simulation/support.yaml")
    if rules is not None:
        provider: SimulatedProvider | ReplayProvider = SimulatedProvider(read_simulation(rules))
    else:
        assert recording is not None
        provider = ReplayProvider(Recording.read(recording))
    listener = listen(host, port)
    kind = "simulated" if rules is not None else "replaying"
    err.print(f"A {kind} provider answers on http://{host}:{listener.getsockname()[1]}/v1", style="bold")
    server = ProviderServer(provider, models=["simulated" if rules else "replay"], simulated=rules is not None)
    config = uvicorn.Config(server, log_config=None, access_log=False, lifespan="off", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
