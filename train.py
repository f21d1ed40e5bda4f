"""Train a memorability predictor: `accelerate launch train.py --recipe NAME --data FOLDER --output FOLDER`.

The same as `videomem train`, in a file for launchers that want one.
"""

from videomem_hf.cli import run_command
from videomem_hf.cli.train import TrainCommand, train

if __name__ == "__main__":
    run_command(train, "train.py", TrainCommand)
