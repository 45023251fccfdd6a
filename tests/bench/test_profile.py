"""``make profile`` attributes each sample to a part of the program."""

import pytest

from bench.profile import part_of


@pytest.mark.parametrize(
    ("frames", "part"),
    [
        (["run (asyncio/runners.py:44)", "store (server/storage/payments/insert.py:3)"], "SQL values and rows"),
        (["insert (server/storage/payments/insert.py:3)", "escape (pymysql/a.py:1)"], "database sessions and driver"),
        (["run (server/storage/database/pool.py:1)", "random (random.py:5)"], "batches and the pool"),
        (["run (server/storage/database/session.py:1)"], "database sessions and driver"),
        (["main (server/__main__.py:1)"], "other"),
        (["<module> (grpcurl.py:1)"], "other"),
    ],
)
def test_a_sample_belongs_to_the_innermost_frame_with_a_known_file(frames: list[str], part: str) -> None:
    assert part_of(frames) == part
