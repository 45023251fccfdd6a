"""This service without group commit: each charge has its own INSERT and commit."""
