"""The legacy REST API, reproduced exactly for callers that must not notice any change.

Nothing is added here: new callers use the gateway.
"""
