"""`moat` for the steps of workflows: the same program in a process of its own, forked from one that has imported it.

Most of what a short command takes is spent on imports, and a workflow is a dozen of them.
"""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

USED = ("ci", "gate", "lint", "smoke", "release")
"""Commands whose modules are imported before the first is asked for."""
CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(8)))
"""


@contextmanager
def warm_moat(folder: Path, environ: dict[str, str]) -> Iterator[Path]:
    """The folder, with a `moat` in it that can be run as long as this lasts."""
    address = str(folder / "server")
    program = folder / "moat"
    program.write_text(CLIENT.format(python=sys.executable, address=address))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        command = [sys.executable, "-m", __name__, str(server.fileno())]
        process = subprocess.Popen(
            command, env=environ, cwd=Path(__file__).parents[3], pass_fds=[server.fileno()], stdin=subprocess.DEVNULL
        )
    try:
        yield folder
    finally:
        process.terminate()
        process.wait()


def serve(server: socket.socket) -> None:
    """Run one command after the other."""
    from moat.cli.main import main

    for name in USED:
        import_module(f"moat.cli.{name}")
    while True:
        client, _ = server.accept()
        with client:
            _, streams, _, _ = socket.recv_fds(client, 1, 3)
            with client.makefile("rb") as asked:
                arguments, folder, environ = json.load(asked)
            child = os.fork()
            if not child:
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                # As a program of its own would find them: the old ones know other files under these numbers.
                sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
                os.chdir(folder)
                os.environ.clear()
                os.environ.update(environ)
                sys.argv = ["moat", *arguments]
                sys.exit(main())
            for stream in streams:
                os.close(stream)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            client.sendall(str(code).encode())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        serve(listening)
