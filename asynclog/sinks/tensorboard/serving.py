"""TensorBoard's server, in a process of its own: ``python -m asynclog.sinks.tensorboard.serving LOGDIR PORT``.

Says its address on standard output, or "! " and why there is none, and ends when its standard input does: whoever started it
is then gone, however it went.
"""

import sys


def main(directory: str, port: str) -> None:
    """Serve until nobody holds the other end of the input."""
    try:
        from tensorboard import program
    except ImportError:
        print("! it isn't installed: pip install 'asynclog-stream[tensorboard]'", flush=True)
        return
    reason = ""
    for tried in dict.fromkeys((port, "0")):
        board = program.TensorBoard()
        # The faster loader forgets what came before a step that is lower than the last.
        board.configure([sys.argv[0], "--logdir", directory, "--port", tried, "--load_fast", "false"])
        try:
            address = board.launch()
        except program.TensorBoardServerException as error:
            reason = " ".join(str(error).split())
        else:
            print(address, flush=True)
            sys.stdin.read()
            return
    print(f"! {reason}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
