"""Settings of the connections to the database."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator, model_validator

from server.config.values import Host, Seconds


class DatabaseSettings(BaseModel):
    """How the database is reached, and how long it may take."""

    mysql_host: Host | None = Field(None, description="host of the database; needed unless MYSQL_SOCKET is set")
    mysql_port: int = Field(3306, ge=1, le=65535, description="TCP port of the database")
    mysql_socket: Path | None = Field(None, description="Unix socket of the database, instead of host and port")
    mysql_user: str = Field("payments", min_length=1, description="user of the database")
    mysql_password: SecretStr = Field(SecretStr(""), description="password of that user")
    mysql_db: str = Field("ecommerce", min_length=1, max_length=64, description="name of the database")
    mysql_pool_min: int = Field(2, ge=0, le=1000, description="connections kept open")
    mysql_pool_max: int = Field(16, ge=1, le=1000, description="connections at most")
    mysql_connect_timeout_seconds: Seconds = Field(5, description="how long opening a connection may take")
    mysql_acquire_timeout_seconds: Seconds = Field(2, description="how long a call waits for a free connection")
    mysql_statement_timeout_seconds: Seconds = Field(
        10, description="how long a statement may take in the database, which ends it, and with it the call"
    )
    mysql_lock_timeout_seconds: int = Field(
        2, ge=1, le=3600, description="how long a statement waits for a row that another transaction has locked"
    )
    mysql_startup_timeout_seconds: Seconds = Field(60, description="how long the start waits for the database")

    @field_validator("mysql_pool_max")
    @classmethod
    def _pool_holds_its_minimum(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("mysql_pool_min", 0):
            msg = "must be at least MYSQL_POOL_MIN"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _database_is_named(self) -> Self:
        if self.mysql_host is None and self.mysql_socket is None:
            msg = "MYSQL_HOST (or MYSQL_SOCKET) must be set: the database's host name or address"
            raise ValueError(msg)
        return self
