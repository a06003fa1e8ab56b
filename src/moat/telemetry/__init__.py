"""The durable spool, its shipper, OpenTelemetry in, and reports over what was recorded."""
