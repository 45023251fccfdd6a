"""The RPCs: what each does, over gRPC and REST alike."""
