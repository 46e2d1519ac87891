"""Files of types that are not read, and what to do with them."""

from pathlib import Path

_ARRAY = "save its arrays as .npy or .npz"
_FRAMES = "extract its frames: ffmpeg -i FILE frames/%05d.png"
_WAVE = "convert it: ffmpeg -i FILE recording.wav"
_PNG = "convert it to .png or .jpg"
_UNPACK = "unpack it, and name the folder"
_MODEL = "it is a model; give it as the first argument, and inputs after it"

_ADVICE = {
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"), _FRAMES),
    **dict.fromkeys((".m4a", ".aac", ".wma", ".aiff", ".aif", ".amr"), _WAVE),
    **dict.fromkeys((".pt", ".pth", ".safetensors", ".ckpt", ".pkl", ".pickle", ".joblib"), _ARRAY),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".nc", ".zarr", ".fits", ".rds"), _ARRAY),
    **dict.fromkeys(
        (".xlsx", ".xls", ".ods", ".feather", ".arrow", ".orc", ".avro"), "save it as .parquet or .npy"
    ),
    **dict.fromkeys(
        (".json", ".jsonl", ".yaml", ".yml", ".xml"), "save its values as .npy, .npz or .parquet"
    ),
    **dict.fromkeys(
        (".tfrecord", ".tfrecords", ".lmdb", ".mdb", ".db", ".sqlite"), "export its records to files"
    ),
    **dict.fromkeys((".dcm", ".nii", ".mha", ".nrrd"), f"{_ARRAY}, scaled as the model expects, or {_PNG}"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".svg", ".psd", ".jxl", ".eps", ".pdf"), _PNG),
    **dict.fromkeys((".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst"), _UNPACK),
    **dict.fromkeys((".onnx", ".ort", ".pb", ".tflite"), _MODEL),
}


def advice_on(path: Path) -> str | None:
    """Say what to do with a file of a type that is not read; None if its suffix says nothing.

    Args:
        path: The file; it is not opened.

    >>> advice_on(Path("talk.m4a"))
    'convert it: ffmpeg -i FILE recording.wav'
    """
    return _ADVICE.get(path.suffix.lower())
