import numpy as np

from asynclog.demo.cartpole.sound import recording


def test_the_recording_is_seven_seconds_of_sound_around_zero() -> None:
    sound, sample_rate = recording()
    assert sound.dtype == np.float32
    assert sound.shape[0] == 1
    assert 7.0 < sound.shape[1] / sample_rate < 7.3
    assert np.abs(sound).max() <= 1.0
    assert 0.02 < sound.std() < 0.5
    assert abs(sound.mean()) < 0.02
