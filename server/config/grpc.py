"""Settings of the gRPC server."""

from enum import StrEnum

from pydantic import BaseModel, Field

from server.config.values import Host, Seconds


class Engine(StrEnum):
    """What serves gRPC."""

    NATIVE = "native"
    GRPCIO = "grpcio"


class GrpcSettings(BaseModel):
    """Where gRPC listens, and the limits of its connections and streams."""

    grpc_host: Host = Field("127.0.0.1", min_length=1, description="address that gRPC listens on")
    grpc_port: int = Field(50051, ge=0, le=65535, description="port that gRPC listens on; 0 takes a free one")
    grpc_engine: Engine = Field(Engine.GRPCIO, description="what serves gRPC: grpcio, or native (on loopback only)")
    grpc_max_message_bytes: int = Field(1 << 20, ge=1 << 12, le=1 << 28, description="largest request accepted")
    grpc_max_metadata_bytes: int = Field(
        1 << 14, ge=1 << 12, le=1 << 20, description="largest metadata of a gRPC call accepted"
    )
    grpc_max_concurrent_streams: int = Field(
        256, ge=1, le=1_000_000, description="calls in progress on one gRPC connection at most; further ones wait"
    )
    grpc_max_connections: int = Field(
        20_000, ge=1, le=1_000_000, description="gRPC connections at most (GRPC_ENGINE=grpcio only)"
    )
    grpc_max_connection_idle_seconds: Seconds = Field(
        1800, description="when a gRPC connection without calls is ended (GRPC_ENGINE=grpcio only)"
    )
    grpc_handshake_timeout_seconds: Seconds = Field(
        20, description="how long a new gRPC connection may take to begin HTTP/2 (GRPC_ENGINE=grpcio only)"
    )
    grpc_keepalive_seconds: Seconds = Field(
        60, description="how long a gRPC connection may be silent before the service asks for a sign of life"
    )
    grpc_keepalive_timeout_seconds: Seconds = Field(
        20, description="how long that sign of life may take before the connection is ended"
    )
    grpc_min_ping_interval_seconds: Seconds = Field(
        10, description="how often a gRPC client without data may ping (GRPC_ENGINE=grpcio only)"
    )
    grpc_max_ping_strikes: int = Field(
        2, ge=0, le=1000, description="pings too many before a connection is ended; 0: any (GRPC_ENGINE=grpcio only)"
    )
    grpc_write_timeout_seconds: Seconds = Field(
        60, description="how long the client of a gRPC stream may take nothing of it before the stream is ended"
    )
    grpc_max_health_watches: int = Field(
        1000, ge=0, le=1_000_000, description="watches of health that may be open; a quarter of them from one address"
    )
    grpc_max_reflection_streams: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="streams of reflection that may be open; a quarter of them from one address",
    )
    grpc_max_connection_age_seconds: Seconds | None = Field(
        None, description="when a gRPC connection's client is told to make a new one, where clients balance; else never"
    )
    grpc_reflection: bool = Field(default=True, description="whether gRPC describes itself, as grpcurl asks it to")
