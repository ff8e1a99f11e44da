"""GPU hours of the paper's own experiment, by calculation; nothing is measured.

`python -m benchmarks.gpu_hours --output results/benchmarks`. Almost all of the work is the vision encoder, EVA-CLIP's
giant ViT of about 1.0 billion parameters, on the 257 tokens of each frame.
A forward pass takes about 2 operations for each parameter and token. Training takes three times that (the backward pass
twice as much), and four times with activation checkpointing, which repeats the forward pass. A GPU is taken to reach a
part of its dense half-precision peak. Clips: the training parts of the sets, from their papers and splits; epochs and
frames: config/video.yaml and the authors' release (2 frames in continued training, 8 in fine-tuning).
"""

import argparse
from pathlib import Path

import pandas as pd

from pmrl.files import read_yaml, replacing

CONFIG = Path(__file__).parents[1] / "config" / "video.yaml"
PARAMETERS, TOKENS = 1.0e9, 257
PASSES = 4  # forward, backward as two, forward again for checkpointing
PEAK, REACHED = 990e12, 0.4  # operations per second of an H100 in bfloat16, and the part that training reaches
CONTINUED_CLIPS, CONTINUED_FRAMES, FINE_TUNED_FRAMES = 150_000, 2, 8
CLIPS = {"msrvtt": 9_000, "didemo": 8_395, "activitynet": 10_009, "vatex": 25_991, "audiocaps": 49_838}


def hours(clips: int, epochs: float, frames: int) -> float:
    """Of one GPU, for a stage of one method and seed."""
    return clips * epochs * frames * 2 * PARAMETERS * TOKENS * PASSES / (PEAK * REACHED) / 3600


def rows() -> list[dict[str, object]]:
    """One row for continued training, which is the same for all sets, and one for fine-tuning on each."""
    epochs = read_yaml(CONFIG)["training"]["epochs"]
    stages = [("VAST-150K, continued", CONTINUED_CLIPS, epochs["msrvtt"]["continued"], CONTINUED_FRAMES)]
    stages += [
        (f"{name}, fine-tuned", count, epochs[name]["fine_tuned"], FINE_TUNED_FRAMES) for name, count in CLIPS.items()
    ]
    return [
        {"stage": name, "clips": clips, "epochs": of_stage, "frames": frames, "hours": hours(clips, of_stage, frames)}
        for name, clips, of_stage, frames in stages
    ]


def main() -> None:
    """Write the table to the folder ``--output``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    options = parser.parse_args()
    table = pd.DataFrame(rows())
    with replacing(options.output / "gpu_hours.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.3g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
