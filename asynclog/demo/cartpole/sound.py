"""A real recording to log: house_lo.wav, seven seconds of music that pygame ships with its examples."""

import wave
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

RECORDING: Final = "house_lo.wav"


def recording() -> tuple[NDArray[np.float32], int]:
    """Load the sound: (C, T) float32 in [-1, 1), and its sample rate in hertz."""
    with (
        (files("pygame") / "examples" / "data" / RECORDING).open("rb") as file,
        wave.open(file) as sound,
    ):
        # The file holds 8-bit samples, which WAV stores unsigned.
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.uint8).reshape(-1, sound.getnchannels())
        return np.ascontiguousarray((samples.T.astype(np.float32) - 128.0) / 128.0), sound.getframerate()
