"""Writing and reading backup files."""

from pathlib import Path

import pytest

from tools.operations.backup.backup_file import BackupError, Origin, new_backup_file, read_backup, write_backup


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    lines = [b"CREATE TABLE `a``b` (\n", b"INSERT INTO `a``b` VALUES (1,'(('),(2,'\\'(');\n", b"-- Dump completed\n"]
    origin = Origin("ecommerce", "8.0.36", 7, "2026-11-25 00:00:00.000000")
    path = tmp_path / "copy.sql.gz"

    with new_backup_file(path) as (file, _):
        written = write_backup(file, lines, origin)

    assert written.contents.rows == {"a`b": 2}
    assert read_backup(path) == written
    with (
        pytest.raises(BackupError, match="did not finish its output"),
        new_backup_file(tmp_path / "other") as (file, _),
    ):
        write_backup(file, lines[:-1], origin)
