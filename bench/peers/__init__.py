"""The programs measured. One file and one line here for each."""

from bench.peers.litellm import LiteLLM
from bench.peers.moat import Moat
from bench.peers.nginx import Nginx
from bench.peers.peer import Peer
from bench.peers.portkey import Portkey

PEERS: dict[str, Peer] = {peer.name: peer for peer in (Nginx(), Moat(), Portkey(), LiteLLM())}
"""By name, in the order of the table."""
