"""The header of a dataset card: what the Hub and `datasets` read before they read anything else.

Knows features, splits and tags: nothing of the text below it.

    card_header("digits", features, sizes, {"task_categories": ["image-classification"]}, "cc0-1.0", [])
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Features
from datasets.info import DatasetInfo, DatasetInfosDict
from datasets.splits import SplitDict, SplitInfo
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
LARGEST = "10M<n<100M"
# identifiers that the Hub knows; any other licence is "other", with its name beside it
LICENSES = frozenset(
    "apache-2.0 mit openrail afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause cc cc0-1.0 cc-by-2.0 cc-by-2.5 "
    "cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 "
    "cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 "
    "cdla-permissive-2.0 epl-2.0 gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 agpl-3.0 isc mpl-2.0 ms-pl odbl odc-by "
    "pddl unlicense wtfpl zlib unknown".split()
)
TAGS = ("synthetic", "synthgen", "diffusion")


def card_header(
    name: str,
    features: Features,
    sizes: Mapping[str, Mapping[str, int]],
    hub_tags: Mapping[str, Any],
    license: str,
    tags: Sequence[str],
    others: Sequence[str] = (),
) -> DatasetCardData:
    """The metadata that the Hub and `datasets` read: licence, tags, size, features, splits and files.

    `others`: further configurations, whose files are <name>/<split>-*.parquet.
    """
    known = hub_tags.get("tags") or []
    merged = list(dict.fromkeys([*TAGS, *([known] if isinstance(known, str) else known), *tags]))
    rest = {key: value for key, value in hub_tags.items() if key != "tags"}
    fields: dict[str, Any] = {
        **hub_license(license),
        **rest,
        "pretty_name": name,
        "size_categories": [size_category(sum(size["num_examples"] for size in sizes.values()))],
        "tags": merged,
    }
    data = DatasetCardData(**fields)
    infos = SplitDict()
    for split, size in sizes.items():
        infos.add(SplitInfo(name=split, num_examples=size["num_examples"], num_bytes=size.get("num_bytes", 0)))
    DatasetInfosDict({"default": DatasetInfo(features=features, splits=infos)}).to_dataset_card_data(data)
    configs: dict[str, dict[str, Any]] = {
        name: {"data_files": [{"split": split, "path": f"{folder}/{split}-*"} for split in sizes]}
        for name, folder in (("default", "data"), *((other, other) for other in others))
    }
    configs["default"] |= {"default": True} if others else {}
    MetadataConfigs(configs).to_dataset_card_data(data)
    return data


def size_category(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), LARGEST)


def hub_license(license: str) -> dict[str, str]:
    """The licence as the Hub's `license` field, or `other` with its name."""
    words = re.sub(r"[^a-z0-9.]+", "-", license.lower()).strip("-")
    if words in LICENSES:
        return {"license": words}
    return {"license": "other", "license_name": words[:90] or "unknown"}
