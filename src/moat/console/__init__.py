"""The web console: serves the site that is built from `web/`, beside the management API it talks to."""
