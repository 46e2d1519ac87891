"""The preprocessing of a command."""

from onnx_ood.reports._html.provenance import preprocessing_words


def test_the_preprocessing_of_a_command_is_the_one_that_was_stated():
    assert preprocessing_words("L, mean 0 (stated: mean=0.5:0.4,std=(1))") == [
        "--preprocess",
        "mean=0.5:0.4,std=(1)",
    ]
    for other in (None, "", "RGB, mean 0 (card models/a (stated).json)", "L (guessed from input shape)"):
        assert preprocessing_words(other) == []
