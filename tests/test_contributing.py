"""CONTRIBUTING.md names files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def test_rooms_of_the_map_are_those_of_the_code():
    mapped = set(re.findall(r"^\| `([^`]+)/` \|", TEXT, flags=re.MULTILINE))
    rooms = {
        f"onnx_ood/{path.name}" for path in (ROOT / "onnx_ood").iterdir() if (path / "__init__.py").exists()
    }
    assert mapped == {"cli", *rooms}


def test_files_to_add_lie_in_folders_that_exist():
    table = TEXT[TEXT.index("## How to add") : TEXT.index("## Versioning")]
    named = re.findall(r"`((?:onnx_ood|tests|cli)/[^`]*)`", table)
    assert len(named) >= 10
    for name in named:
        folder = name.split("NAME")[0].rpartition("/")[0] if "NAME" in name else name.rstrip("/")
        assert (ROOT / folder).exists(), name
