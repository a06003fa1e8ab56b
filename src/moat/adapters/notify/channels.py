"""A channel of moat.yaml, its references resolved, made ready to send."""

from moat.domain.alerting import ChannelConfig
from moat.ports.alerts import Channel


def open_channel(name: str, config: ChannelConfig) -> Channel:
    """Connects to nothing yet, and loads only what its kind needs. Raises `ConfigError` for what can never work."""
    where = f"moat.yaml: $.alerts.channels.{name}"
    private = config.private_network
    if config.kind == "webhook":
        from moat.adapters.notify.webhook import Webhook

        return Webhook(config.url, config.secret, private=private, where=where)
    if config.kind == "email":
        from moat.adapters.notify.mail import MailChannel

        return MailChannel(config.url, config.to, config.sender, tls=config.tls, private=private, where=where)
    from moat.adapters.notify.anywhere import AppriseChannel

    return AppriseChannel(config.url, private=private, where=where)
