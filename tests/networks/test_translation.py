"""The small translator learns a toy language with numbers, and says so in the digits of its side."""

import numpy as np

from synthgen.networks.translation import fit_pieces, fit_translator

WORDS = {"days": "Tage", "cats": "Katzen", "hours": "Stunden", "dogs": "Hunde"}


def test_it_translates_what_it_has_not_seen():
    sources = [f"{n} {word}" for n in range(1, 60) for word in WORDS]
    targets = [f"{word}: {n}" for n in range(1, 60) for word in WORDS.values()]
    vocabulary = fit_pieces(sources, targets, size=300)
    translator = fit_translator(vocabulary, sources, targets, steps=120, batch_size=32, seed=0)
    assert translator.translate(["812 cats", "77 hours"]) == ["Katzen: 812", "Stunden: 77"]
    features = translator.represent(sources[:3], targets[:3])
    assert features.shape == (3, 128) and np.isfinite(features).all()
    np.testing.assert_allclose(translator.represent(sources[1:2], targets[1:2]), features[1:2], atol=1e-4)


def test_numbers_are_written_in_the_digits_of_the_other_side():
    sources, targets = [f"{n} x" for n in range(40)], [f"y {n}".translate(ARABIC) for n in range(40)]
    translator = fit_translator(
        fit_pieces(sources, targets, size=300), sources, targets, steps=80, batch_size=16, seed=0
    )
    assert translator.translate(["123 x"]) == ["y 123".translate(ARABIC)]


ARABIC = {ord("0") + digit: ord("٠") + digit for digit in range(10)}
