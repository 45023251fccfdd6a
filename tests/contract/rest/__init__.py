"""REST: the gateway, the legacy API, the OpenAPI document and its pages."""
