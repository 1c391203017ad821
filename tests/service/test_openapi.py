"""What the committed OpenAPI says is what the service does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_document_is_current():
    spec = importlib.util.spec_from_file_location("openapi_document", ROOT / "docs" / "openapi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PLACE.read_text(encoding="utf-8") == module.describe(), "run: python docs/openapi.py"
