"""Settings of the gRPC server."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field

from server.config.values import Host, Seconds


class Engine(StrEnum):
    """The gRPC server implementation."""

    GRPCIO = "grpcio"
    ENVOY = "envoy"


class GrpcSettings(BaseModel):
    """The gRPC server, and the limits of its connections and streams."""

    grpc_host: Host = Field("127.0.0.1", min_length=1, description="address that gRPC listens on")
    grpc_port: int = Field(50051, ge=0, le=65535, description="port that gRPC listens on; 0 picks a free one")
    grpc_engine: Engine = Field(Engine.GRPCIO, description="gRPC server: grpcio or envoy")
    envoy_path: Path | None = Field(
        None, description="Envoy to run with GRPC_ENGINE=envoy; unset: the one that is installed with the service"
    )
    grpc_max_message_bytes: int = Field(1 << 20, ge=1 << 12, le=1 << 28, description="maximum size of a request")
    grpc_max_metadata_bytes: int = Field(
        1 << 14, ge=1 << 12, le=1 << 20, description="maximum size of a call's metadata"
    )
    grpc_max_concurrent_streams: int = Field(
        256,
        ge=1,
        le=1_000_000,
        description="maximum number of concurrent calls on one gRPC connection; further calls wait",
    )
    grpc_max_connections: int = Field(20_000, ge=1, le=1_000_000, description="maximum number of gRPC connections")
    grpc_max_connection_idle_seconds: Seconds = Field(
        1800, description="how long a gRPC connection may be idle before it is closed"
    )
    grpc_handshake_timeout_seconds: Seconds = Field(20, description="timeout for a new gRPC connection to start HTTP/2")
    grpc_keepalive_seconds: Seconds = Field(
        60, description="how long a gRPC connection may be silent before the service sends a keepalive ping"
    )
    grpc_keepalive_timeout_seconds: Seconds = Field(
        20, description="how long the response to that ping may take before the connection is closed"
    )
    grpc_min_ping_interval_seconds: Seconds = Field(
        10, description="minimum interval between a client's pings without data (GRPC_ENGINE=grpcio only)"
    )
    grpc_max_ping_strikes: int = Field(
        2,
        ge=0,
        le=1000,
        description="how many pings that come too soon are tolerated before the connection is closed; 0: no limit "
        "(GRPC_ENGINE=grpcio only)",
    )
    grpc_read_timeout_seconds: Seconds = Field(
        30, description="how long a request may take to arrive (GRPC_ENGINE=envoy only)"
    )
    grpc_write_timeout_seconds: Seconds = Field(
        60, description="how long a client may go without reading from a gRPC stream before the service ends it"
    )
    grpc_max_health_watches: int = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="maximum number of open health watches; one address may have a quarter of them",
    )
    grpc_max_reflection_streams: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="maximum number of open reflection streams; one address may have a quarter of them",
    )
    grpc_max_connection_age_seconds: Seconds | None = Field(
        None,
        description="age at which the service asks the client of a gRPC connection to reconnect, so that client-side "
        "load balancing can move it; unset: never",
    )
    grpc_reflection: bool = Field(default=True, description="whether gRPC serves reflection, which grpcurl uses")
