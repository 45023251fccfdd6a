-- One row for each API key that was ever created. The key itself is stored nowhere: of its 256 random bits, only the
-- SHA-256 is. roles: names separated by spaces. A key is valid unless revoked_at is set or expires_at has passed, in UTC.
CREATE TABLE IF NOT EXISTS api_keys (
    key_id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    digest BINARY(32) NOT NULL,
    caller VARBINARY(255) NOT NULL,
    roles VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NULL,
    revoked_at DATETIME(6) NULL
) ENGINE = InnoDB;
