"""Settings of the database connections."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator, model_validator

from server.config.values import Host, Seconds


class DatabaseSettings(BaseModel):
    """Database connections and timeouts."""

    mysql_host: Host | None = Field(None, description="database host; required unless MYSQL_SOCKET is set")
    mysql_port: int = Field(3306, ge=1, le=65535, description="database TCP port")
    mysql_socket: Path | None = Field(None, description="database Unix socket, instead of host and port")
    mysql_user: str = Field("payments", min_length=1, description="database account")
    mysql_password: SecretStr = Field(SecretStr(""), description="password of that account")
    mysql_db: str = Field("ecommerce", min_length=1, max_length=64, description="database name")
    mysql_pool_min: int = Field(2, ge=0, le=1000, description="minimum number of pooled connections")
    mysql_pool_max: int = Field(16, ge=1, le=1000, description="maximum number of pooled connections")
    mysql_connect_timeout_seconds: Seconds = Field(5, description="timeout for opening a connection")
    mysql_acquire_timeout_seconds: Seconds = Field(
        2, description="how long a call waits for a free connection before it fails"
    )
    mysql_statement_timeout_seconds: Seconds = Field(
        10, description="timeout of a statement, enforced by the database; a call whose statement times out fails"
    )
    mysql_lock_timeout_seconds: int = Field(
        2, ge=1, le=3600, description="how long a statement waits for a row that another transaction has locked"
    )
    mysql_causal_reads: bool = Field(
        default=False,
        description="on Galera: reads wait until their node has applied all earlier commits of the cluster, so that "
        "callers see their own writes at every node",
    )
    mysql_startup_timeout_seconds: Seconds = Field(
        60, description="how long the service waits for the database at startup"
    )

    @field_validator("mysql_pool_max")
    @classmethod
    def _check_pool_max(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("mysql_pool_min", 0):
            msg = "must be at least MYSQL_POOL_MIN"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _check_database_address(self) -> Self:
        if self.mysql_host is None and self.mysql_socket is None:
            msg = "MYSQL_HOST must be set to the database's host name or address, or MYSQL_SOCKET to its socket"
            raise ValueError(msg)
        return self
