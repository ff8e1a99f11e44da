"""Records about a hundred clips of the free game Freedoom as raw media of a data set: `python record_clips.py FOLDER`.

They stand in for clips of your own: a folder of mp4 and wav files, a table of items and one of captions.
"""

import sys
from pathlib import Path

from pmrl.data.freedoom import engine, files

MAPS, CLIPS = 21, 5  # clips of each map

if __name__ == "__main__":
    files.generate(Path(sys.argv[1]), tuple(engine.MAPS)[:MAPS], CLIPS)
