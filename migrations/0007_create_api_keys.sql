-- One row a key that was ever made. The key itself is nowhere: of its 256 random bits, the SHA-256 is kept.
-- roles: names with spaces between. A key is in force unless revoked_at is set or expires_at has passed; times are UTC.
CREATE TABLE IF NOT EXISTS api_keys (
    key_id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    digest BINARY(32) NOT NULL,
    caller VARBINARY(255) NOT NULL,
    roles VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NULL,
    revoked_at DATETIME(6) NULL
) ENGINE = InnoDB;
