"""`python -m trainer.pocket.average FOLDER FOLDER --share 0.7 --out FOLDER`: the weighted mean of two sets of the same model's weights.

Where one was trained on from the other, their mean often reads better than either (Wortsman et al. 2022, arXiv 2203.05482).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

FILE = "model.safetensors"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path, help="a model in Hugging Face format")
    parser.add_argument("second", type=Path, help="another one of the same shape, such as one that was trained on from the first")
    parser.add_argument("--share", type=float, default=0.5, help="of the second in the mean")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    average(options.first, options.second, options.share, options.out)


def average(first: Path, second: Path, share: float, out: Path) -> None:
    """Write the mean, in the first one's precision, with the first one's other files. Raises KeyError where the shapes are not the same."""
    shutil.copytree(first, out, dirs_exist_ok=True)
    ours, theirs = load_file(first / FILE), load_file(second / FILE)
    mean = {name: ((1 - share) * tensor.float() + share * theirs[name].float()).to(tensor.dtype) for name, tensor in ours.items()}
    save_file(mean, out / FILE, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
