"""The user's git repository, through the git program."""

from moat.adapters.git.repository import GitRepository

__all__ = ["GitRepository"]
