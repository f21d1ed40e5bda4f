"""The shell's completion offers the names that an option takes, also within a list."""

import pytest

from videomem_hf.cli.convert import complete_kind
from videomem_hf.cli.options import complete_configs, complete_extracted_features, complete_sample_features
from videomem_hf.features.catalogue import feature_spec
from videomem_hf.models.convert import KINDS


def test_kinds_are_those_that_can_be_converted() -> None:
    assert sorted(complete_kind("")) == sorted(KINDS)
    assert complete_kind("resn") == ["resnet3d", "resnet"]


def test_the_last_name_of_a_list_is_completed() -> None:
    assert complete_extracted_features("hmp,lbp-") == ["hmp,lbp-corrected", "hmp,lbp-opencv3"]
    assert "hmp,hmp" not in complete_extracted_features("hmp,h")
    assert complete_sample_features("c3d,hm") == ["c3d,hmp"]
    assert complete_configs("s") == ["scores"]


def test_every_feature_is_one() -> None:
    names = complete_extracted_features("")
    assert len(names) > 15
    for name in names:
        if not name.endswith(":"):
            assert feature_spec(name).name == name
        else:
            with pytest.raises(Exception, match=name[:-1]):
                feature_spec(name)
