"""HTTP: the gateway, the API of the replaced service, the document and its pages."""
