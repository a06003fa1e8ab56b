"""Finding nginx and wrk, and nginx as the upstream that answers at once."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import Unavailable
from bench.machine import free_port, listens
from bench.process import PATH, last_line, run, running
from bench.traffic import plain_answer, stream_answer

PACKAGES = ("nginx-light", "libnginx-mod-http-echo", "wrk")
ECHO_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")

POLL_SECONDS = 0.01

FRAME = """\
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
{modules}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
{content}
}}
"""


def install() -> None:
    """Have nginx, its echo module and wrk, through apt-get when they are missing and this is root."""
    if program("nginx") and program("wrk") and ECHO_MODULE.exists():
        return
    if os.geteuid() != 0 or not program("apt-get"):
        raise Unavailable(f"nginx and wrk are missing: apt-get install {' '.join(PACKAGES)}")
    run(("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES), Path("/"), seconds=300)


def program(name: str) -> str | None:
    """Where a system program is; Debian keeps nginx outside a user's PATH."""
    return shutil.which(name, path=PATH)


def version() -> str:
    """The version of the nginx that is installed. Raises Unavailable when none is."""
    nginx = _nginx()
    told = subprocess.run((nginx, "-v"), capture_output=True, text=True, timeout=10, check=True)
    return told.stderr.strip().rpartition("/")[2]


def command(directory: Path, content: str, modules: str = "") -> tuple[str, ...]:
    """Write a one-process nginx configuration into `directory`, and say how to run it."""
    (directory / "nginx.conf").write_text(FRAME.format(modules=modules, content=content))
    return _nginx(), "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"


@contextmanager
def upstream(directory: Path, pinned: frozenset[int]) -> Iterator[int]:
    """Serve the canned answers, and give the port: `/plain/...` in one piece, `/stream/...` as flushed chunks."""
    directory.mkdir()
    port = free_port()
    argv = command(directory, _canned(port), f"load_module {ECHO_MODULE};")
    with running(argv, directory, pinned) as process:
        while not listens(port):
            if process.poll() is not None:
                raise Unavailable(f"the upstream ended: {last_line((directory / 'output.log').read_text())}")
            time.sleep(POLL_SECONDS)
        yield port


def _nginx() -> str:
    nginx = program("nginx")
    if nginx is None:
        raise Unavailable("nginx is not installed")
    return nginx


def _canned(port: int) -> str:
    events = "\n".join(f"      echo 'data: {event}\\n';\n      echo_flush;" for event in stream_answer())
    return f"""\
  server {{
    listen 127.0.0.1:{port};
    location /plain/ {{
      default_type application/json;
      return 200 '{plain_answer()}';
    }}
    location /stream/ {{
      default_type text/event-stream;
{events}
    }}
  }}"""
