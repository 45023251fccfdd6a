"""The table of ``make bench`` shows whether a figure reaches its goal."""

from bench.figures import Figure, table


def test_the_table_says_which_goals_are_missed() -> None:
    values = {"Go": 100.0, "envoy": 130.0, "grpcio": 20.0}
    figure = Figure("Charge", "per second", values, "Go", goals={"envoy": 1.25, "grpcio": 0.25})

    (_, _, row) = table([figure]).splitlines()

    assert "| envoy 1.25 x: met, grpcio 0.25 x: missed |" in row
    assert "| 1.30 x | 0.20 x |" in row
