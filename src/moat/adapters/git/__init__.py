"""The user's git repository, through the git program."""

from moat.adapters.git.repository import Branch, Commit, GitRepository

__all__ = ["Branch", "Commit", "GitRepository"]
