"""nginx as a plain reverse proxy: the floor that everything else is compared with."""

from pathlib import Path

from bench import nginx
from bench.peers.peer import Service, Upstream
from bench.traffic import chat

PROXY = """\
  upstream provider {{
    server {authority};
    keepalive 128;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location /plain/ {{ proxy_pass http://provider; }}
    location /stream/ {{
      proxy_pass http://provider;
      proxy_buffering off;
    }}
  }}"""


class Nginx:
    """No keys, no limits, no record: bytes in, bytes out."""

    name = "nginx"

    def install(self, home: Path) -> str:
        """The system's own: the bench needs it as upstream anyway."""
        return nginx.version()

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        """The path picks the upstream's answer."""
        authority = upstream.plain.split("/")[2]
        return Service(
            nginx.command(directory, PROXY.format(authority=authority, port=port)),
            chat("bench", path="/plain/v1/chat/completions"),
            chat("bench", path="/stream/v1/chat/completions", stream=True),
        )
