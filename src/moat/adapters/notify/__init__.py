"""Where messages to people go: a webhook, e-mail, or whatever apprise knows."""

from moat.adapters.notify.channels import open_channel

__all__ = ["open_channel"]
