"""This service without group commit: each charge is an INSERT and a commit of its own."""
