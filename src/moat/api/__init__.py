"""The management API: thin routes over ports, described by OpenAPI at `/api/v1/openapi.json`."""
