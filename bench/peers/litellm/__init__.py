"""LiteLLM's proxy, as its documentation runs it in production: one worker, a master key, no database."""

import re
import sys
from pathlib import Path

import msgspec

from bench.peers.peer import Service, Upstream, install_once
from bench.traffic import chat

LOCK = Path(__file__).with_name("requirements.txt")
KEY = "sk-bench"


class LiteLLM:
    """Its own virtual environment, from `requirements.txt`."""

    name = "LiteLLM"

    def install(self, home: Path) -> str:
        """Through uv, which `make setup` has put beside this Python."""
        lock = LOCK.read_text()
        uv = Path(sys.executable).with_name("uv")
        install_once(
            home,
            lock,
            (uv, "venv", "--quiet", "--python", sys.executable, home / "venv"),
            (
                uv,
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                home / "venv",
                "--requirement",
                LOCK,
            ),
        )
        found = re.search(r"^litellm==(\S+)", lock, re.MULTILINE)
        return found[1] if found else "unknown"

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        """Two models, one for each of the upstream's answers."""
        models = [
            {"model_name": name, "litellm_params": {"model": "openai/bench", "api_base": base, "api_key": "bench"}}
            for name, base in (("plain", upstream.plain), ("stream", upstream.stream))
        ]
        config = directory / "config.yaml"
        config.write_bytes(msgspec.json.encode({"model_list": models, "general_settings": {"master_key": KEY}}))
        listen = ("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
        return Service(
            (str(home / "venv/bin/litellm"), "--config", str(config), *listen),
            chat("plain", authorization=f"Bearer {KEY}"),
            chat("stream", stream=True, authorization=f"Bearer {KEY}"),
            {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"},
        )
