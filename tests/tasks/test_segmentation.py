"""What segmentation does beyond the contract of all tasks."""

import numpy as np

from synthgen.labels.options import MaskConditionOptions
from synthgen.tasks import segmentation
from synthgen.types import Data, Origin


def test_of_many_real_rows_evenly_spaced_ones_serve_masks_and_appearances(monkeypatch):
    monkeypatch.setattr(segmentation, "LABEL_PIXELS", 5 * 64)
    mask = np.zeros((40, 8, 8), np.uint8)
    mask[:, :4] = 1
    image = np.repeat(np.arange(40, dtype=np.uint8) * 6, 64).reshape(40, 8, 8, 1)
    part = {"image": image, "mask": mask}
    data = Data(part, part, part, ("a", "b"), Origin("", "", "", "", ""))
    labels = segmentation.build_labels(data, MaskConditionOptions(), 0, None)
    np.testing.assert_allclose(labels.appearance[:, 0, 0] * 255 / 6, [0, 9, 19, 29, 39], rtol=1e-5)
    drawn = labels.draw(np.arange(20))
    assert drawn["mask"].shape == (20, 8, 8) and drawn["appearance"].shape == (20, 4, 1)
