"""Decoding gives what the test wrote into a file, at the right times, and names what is wrong with a damaged one."""

import io
import struct

import numpy as np
import pytest
from clips import frame, tone, write_clip, write_sound
from PIL import Image

from pmrl.data.media import decode
from pmrl.data.media.decode import Unreadable


def brightness(frames):
    """What the lower right corner of each frame says."""
    return frames[:, -1, -1, 0].astype(int)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
def test_frames_are_the_middles_of_equal_spans(tmp_path, ending):
    path = write_clip(tmp_path / f"clip.{ending}", count=20, rate=10, sound=tone(2.0, 48000), sound_rate=48000)
    frames = decode.read_frames(path, 4)
    assert frames.shape == (4, 48, 64, 3) and frames.dtype == np.uint8
    expected = [frame(place)[-1, -1, 0] for place in (2, 7, 12, 17)]
    np.testing.assert_allclose(brightness(frames), expected, atol=4)
    assert decode.facts(path).seconds == pytest.approx(2.0, abs=0.05)


def test_frames_go_by_their_times_where_the_rate_varies(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", count=4, rate=10, times=[0, 1, 2, 15])
    found = brightness(decode.read_frames(path, [0.05, 0.15, 1.0, 1.45, 1.55]))
    np.testing.assert_allclose(found, [frame(place)[-1, -1, 0] for place in (0, 1, 2, 2, 3)], atol=2)


def test_a_long_video_is_sought_and_gives_the_same_frames(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "clip.mp4", count=24, rate=10)
    expected = decode.read_frames(path, 6)
    monkeypatch.setattr(decode, "LONG", 0.5)
    np.testing.assert_array_equal(decode.read_frames(path, 6), expected)


def test_a_video_that_is_turned_is_shown_upright(tmp_path):
    """The display matrix of the mp4 track header, written by hand for a quarter turn clockwise."""
    path = write_clip(tmp_path / "clip.mp4", count=3)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    shown = decode.read_frames(path, 1)[0]
    assert shown.shape == (64, 48, 3)
    assert shown[2, -2].min() > 200 and shown[2, 2].max() < 100  # the bright upper left corner is at the upper right


def test_both_channels_are_heard_and_mixed(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", sound=tone(2.0, 44100), sound_rate=44100)
    both, mixed = (decode.read_sound(path, 16000, channels, seconds=1.5) for channels in (2, 1))
    assert both.shape == (24000, 2) and mixed.shape == (24000, 1)
    spectrum = np.abs(np.fft.rfft(both[4000:20000], axis=0))
    np.testing.assert_allclose(spectrum.argmax(axis=0), [440, 880], atol=2)  # one second, so that a place is a Hz
    np.testing.assert_allclose(mixed[:, 0], both.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("codec", "ending"), [("pcm_u8", "wav"), ("pcm_s16le", "wav"), ("pcm_s24le", "wav"), ("flac", "flac"),
                          ("libmp3lame", "mp3"), ("libopus", "ogg")]
)  # fmt: skip
def test_every_kind_of_sound_file_gives_the_same_sound(tmp_path, codec, ending):
    written = tone(1.0, 48000)
    sound = decode.read_sound(write_sound(tmp_path / f"sound.{ending}", written, 48000, codec), 48000, 2)
    assert len(sound) == pytest.approx(48000, abs=2500)
    assert np.abs(sound[8000:40000]).max() == pytest.approx(0.5, abs=0.04)


def test_six_channels_are_mixed_down(tmp_path):
    path = write_sound(tmp_path / "surround.flac", tone(1.0, 48000, channels=6), 48000, "flac")
    assert decode.facts(path).channels == 6
    assert decode.read_sound(path, 16000, 2).shape == (16000, 2)


def test_a_part_of_a_sound_begins_where_it_should(tmp_path, monkeypatch):
    sound = np.zeros((48000 * 3, 1), dtype=np.float32)
    sound[48000 * 2 :] = 0.5  # silent for two seconds
    path = write_sound(tmp_path / "sound.wav", sound, 48000, "pcm_s16le")
    for limit in (60.0, 0.5):  # decoded up to, and sought
        monkeypatch.setattr(decode, "LONG", limit)
        part = decode.read_sound(path, 48000, 1, start=1.5, seconds=1.0)
        assert part.shape == (48000, 1)
        assert np.abs(part[:23500]).max() < 0.01 < 0.49 < part[24500:].min()


def test_silence_is_silent_and_a_whisper_is_not():
    assert decode.is_silent(np.zeros((100, 2))) and decode.is_silent(np.zeros((0, 1)))
    assert not decode.is_silent(tone(0.1, volume=0.001))


def test_pictures_are_upright_opaque_and_in_colour(tmp_path):
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[0, 0] = 255
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was turned: show it turned by 90° clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    shown = decode.read_picture(tmp_path / "turned.png")
    assert shown.shape == (6, 4, 3) and shown[0, -1].min() == 255 and shown.sum() == 3 * 255

    Image.new("CMYK", (5, 4), (0, 0, 0, 0)).save(tmp_path / "printed.jpg")
    assert decode.read_picture(tmp_path / "printed.jpg").min() > 250  # no ink is white

    Image.new("RGBA", (5, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert decode.read_picture(tmp_path / "clear.png").min() == 255  # on white

    Image.new("I;16", (1, 1), 40000).save(tmp_path / "one.png")
    assert decode.read_picture(tmp_path / "one.png").shape == (1, 1, 3)


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_an_animated_picture_is_a_video_and_a_picture(tmp_path, ending):
    pictures = [Image.fromarray(frame(place)) for place in (0, 5, 10)]
    path = tmp_path / f"moving.{ending}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 300, 100], lossless=True)
    assert decode.facts(path).seconds == pytest.approx(0.5)
    found = brightness(decode.read_frames(path, [0.05, 0.2, 0.35, 0.45]))
    np.testing.assert_allclose(found, [20, 45, 45, 70], atol=3)
    assert decode.read_picture(path)[-1, -1, 0] == pytest.approx(20, abs=3)


def whole(tmp_path):
    return write_clip(tmp_path / "clip.mp4", count=40, sound=tone(4.0)).read_bytes()


def test_what_cannot_be_decoded_is_named(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole(tmp_path)[:2000])
    for path in (text, empty, cut, tmp_path / "missing.mp4"):
        with pytest.raises(Unreadable, match=path.name):
            decode.read_frames(path, 4)
        with pytest.raises(Unreadable, match=path.name):
            decode.read_sound(path, 16000)
    for path in (text, tmp_path / "missing.png"):
        with pytest.raises(Unreadable, match=path.name):
            decode.read_picture(path)


def test_a_video_that_ends_early_is_unreadable_not_shorter(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", count=400, rate=25)
    content = path.read_bytes()
    path.write_bytes(content[: 4 * len(content) // 5])
    with pytest.raises(Unreadable, match=r"ends before .* may have been cut off"):
        decode.read_frames(path, 8)


def test_tracks_that_are_not_there_are_named(tmp_path):
    silent_movie = write_clip(tmp_path / "silent movie.mp4")
    with pytest.raises(Unreadable, match=r"silent movie\.mp4: has no sound"):
        decode.read_sound(silent_movie, 16000)
    sound = write_sound(tmp_path / "naïve “sound”.wav", tone(0.5), 22050, "pcm_s16le")
    with pytest.raises(Unreadable, match="has no video"):
        decode.read_frames(sound, 2)
    assert decode.read_sound(sound, 16000).shape == (8000, 1)
    with pytest.raises(Unreadable, match=r"has no sound at 9\.00 s"):
        decode.read_sound(sound, 16000, start=9.0)


def test_a_cover_is_no_video(tmp_path):
    import av

    buffer = io.BytesIO()
    Image.fromarray(frame(0)).save(buffer, format="PNG")
    path = write_sound(tmp_path / "plain.mp3", tone(1.0, 44100), 44100, "libmp3lame")
    covered = tmp_path / "covered.mp3"
    with av.open(str(path)) as source, av.open(str(covered), "w") as target:
        track = target.add_stream_from_template(source.streams.audio[0])
        cover = target.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        for packet in cover.encode(av.VideoFrame.from_ndarray(frame(0), format="rgb24")):
            target.mux(packet)
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = track
                target.mux(packet)
    assert decode.facts(covered).width == 0
    with pytest.raises(Unreadable, match="has no video"):
        decode.read_frames(covered, 1)


def test_the_clips_of_others_are_read():
    from pathlib import Path

    folder = Path(__file__).parents[4] / "shared" / "data" / "video"
    if not folder.is_dir():
        pytest.skip("the shared test data are not beside the project")
    for path in sorted(folder.glob("*.mp4")):
        assert decode.read_frames(path, 4).shape[1:] == (640, 360, 3)
        assert not decode.is_silent(decode.read_sound(path, 16000))
    for path in sorted(folder.glob("*.mp3")):
        assert len(decode.read_sound(path, 16000, seconds=2.0)) == 32000
