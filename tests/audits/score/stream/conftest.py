"""Garments for streamed runs."""

import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def collection(garments, tmp_path):
    """Pictures, rows of arrays, and what can't be read, in a folder."""
    folder = tmp_path / "collection"
    shutil.copytree(garments, folder)
    (folder / "broken.png").write_bytes(b"\x89PNG")
    images = np.stack([np.asarray(Image.open(path)) for path in sorted(garments.iterdir())])
    rows = (images[:, np.newaxis] / 255).astype(np.float32)
    rows[5, 0, 3, 3] = np.nan
    np.save(folder / "rows.npy", rows[:7])
    np.savez_compressed(folder / "more.npz", image=rows[7:])
    np.save(folder / "one.npy", rows[0])
    np.save(folder / "wrong.npy", rows[:, :, 2:])
    return folder
