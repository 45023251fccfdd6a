"""`make lint` fails if a change to the proto breaks callers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUF = Path(sys.executable).parent / "buf"


def run_buf_breaking(folder: Path, old: str, new: str) -> subprocess.CompletedProcess[str]:
    """Change the proto in a copy of the project, and compare it with the released proto, as `make lint` does."""
    shutil.copy(ROOT / "buf.yaml", folder)
    shutil.copytree(ROOT / "proto", folder / "proto")
    proto = folder / "proto" / "payments" / "v1" / "payments.proto"
    text = proto.read_text("utf-8")
    assert text.count(old) == 1
    proto.write_text(text.replace(old, new), "utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "buf breaking proto --against $(RELEASED)" in makefile
    assert "RELEASED := proto/released.binpb" in makefile
    command = [str(BUF), "breaking", "proto", "--against", "proto/released.binpb"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  string reference = 7;\n", "", 'field "7" with name "reference" on message "Payment" was deleted'),
        ("  string reference = 7;\n", "  string reference = 27;\n", 'field "7" with name "reference"'),
        (
            "  string reason = 5;\n",
            "  bytes reason = 5;\n",
            'Field "5" with name "reason" on message "Refund"',
        ),
        ("  PAYMENT_STATUS_FAILED = 3;\n", "", 'enum value "3" on enum "PaymentStatus" was deleted'),
        ("rpc GetPayment(", "rpc ReadPayment(", 'RPC "GetPayment" on service "PaymentService" was deleted'),
    ],
)
def test_a_change_that_breaks_callers_is_an_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    run = run_buf_breaking(tmp_path, old, new)
    assert run.returncode != 0
    assert message in run.stdout


def test_a_new_field_is_not_a_breaking_change(tmp_path: Path) -> None:
    run = run_buf_breaking(tmp_path, "  string reason = 5;\n", "  string reason = 5;\n  string note = 77;\n")
    assert (run.returncode, run.stdout) == (0, "")
