"""Deployment: image, manifests, monitoring, workflows and the documents about them."""
