"""The behavior of each RPC, over gRPC and over REST."""
