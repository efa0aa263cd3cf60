import io

from rich.console import Console

from asynclog.demo.cartpole.loop import CartPoleStanding
from asynclog.demo.progress import BETWEEN_LINES_S, shown


def standing(elapsed_s: float, updates: int) -> CartPoleStanding:
    return CartPoleStanding(began=0.0, ended=elapsed_s, updates=updates, steps=updates * 1_000, episodes=7, valid_return=123.4)


def test_without_a_terminal_there_is_a_plain_line_now_and_then() -> None:
    out = io.StringIO()
    with shown(Console(file=out, width=120), 60.0) as show:
        for tenth in range(121):
            show(standing(tenth / 10, tenth))
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + int(12 // BETWEEN_LINES_S)
    assert lines[-1] == "   10 s · update 100 · 7 episodes · 10,000 steps/s · validation return 123"
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_a_bar_that_is_gone_afterwards() -> None:
    out = io.StringIO()
    with shown(Console(file=out, width=140, force_terminal=True), 60.0) as show:
        show(standing(30.0, 55))
        shown_so_far = out.getvalue
    assert "update 55" in shown_so_far()
    assert "━" in out.getvalue()
    assert out.getvalue().rstrip().endswith("\x1b[2K")
