"""What the Serve application says before it is started."""

from __future__ import annotations

import logging

from synthgen.service.ingress import build


def test_a_password_among_the_words_is_warned_of(cluster, tmp_path, caplog):
    options = {
        "recipes": ["classification"],
        "anonymous": True,
        "state": str(tmp_path),
        "database": cluster.url("postgres"),
    }
    with caplog.at_level(logging.WARNING, "synthgen.service.ingress"):
        build(options)
    (told,) = [record.getMessage() for record in caplog.records if record.name == "synthgen.service.ingress"]
    assert told.startswith("database: its password is seen") and "SYNTHGEN_DATABASE" in told


def test_no_password_no_warning(tmp_path, caplog):
    build({"recipes": ["classification"], "anonymous": True, "state": str(tmp_path)})
    assert not [record for record in caplog.records if record.name == "synthgen.service.ingress"]
