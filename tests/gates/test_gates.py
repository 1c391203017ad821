import numpy as np
import pytest
from pydantic import ValidationError

from synthgen.gates.agreement import AgreementGate
from synthgen.gates.copies import CopyGate
from synthgen.gates.gates import Gates
from synthgen.gates.options import AgreementOptions, CopyOptions, GateOptions
from synthgen.gates.scores import significant
from synthgen.types import Opinion


@pytest.fixture
def real():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1500, 12)).astype(np.float32)
    return rows[:1000], rows[1000:1200], rows[1200:]  # train, validation, other unseen rows


def test_options_read_off_and_on_and_refuse_nonsense():
    options = GateOptions.model_validate({"agreement": False, "copies": "off", "duplicates": True, "quota": {}})
    assert options.agreement is False and options.copies is False
    assert options.duplicates == GateOptions().duplicates and options.quota == GateOptions().quota
    for wrong in ({"agreement": {"quantile": 2}}, {"copies": "maybe"}, {"quota": {"tolerance": -1}}, {"typo": False}):
        with pytest.raises(ValidationError):
            GateOptions.model_validate(wrong)
    assert GateOptions.model_validate_json(options.model_dump_json()) == options


def test_significant_rounds_to_six_digits_and_keeps_the_rest():
    values = significant(np.array([0.123456789, -98765432.1, 0, np.inf, np.nan, 1e-40]))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[:4], np.array([0.123457, -98765400, 0, np.inf], np.float32))
    assert np.isnan(values[4])


def test_agreement_bars_are_quantiles_of_the_class_not_of_all():
    reference = np.concatenate([np.linspace(0.8, 1, 1000), np.linspace(0.1, 0.5, 1000)])
    labels = np.repeat([0, 1], 1000)
    gate = AgreementGate.fit(reference, labels, ("easy", "hard"), AgreementOptions(quantile=0.02))
    np.testing.assert_allclose(gate.bars, [0.804, 0.108], rtol=1e-5)
    refused, reasons = gate.judge_rows(np.array([0.5, 0.5, np.nan], np.float32), np.array([0, 1, 1]))
    assert refused.tolist() == [True, False, True]
    assert reasons[0] == (
        "the judge's agreement with class 'easy' is 0.5, below 0.804, the 2 % quantile of real rows of that class"
    )


def test_a_class_of_few_rows_has_a_lenient_bar():
    reference = np.concatenate([np.linspace(0.2, 1, 1000), [0.9, 0.95], [0.01]])
    labels = np.concatenate([np.zeros(1000, int), [1, 1], [2]])
    gate = AgreementGate.fit(reference, labels, ("many", "two", "one", "none"), AgreementOptions(quantile=0.02))
    overall = np.quantile(reference, 0.02)
    np.testing.assert_allclose(gate.bars[1:], [overall, 0.01, overall], rtol=1e-5)


def test_agreement_of_masks_has_one_bar():
    gate = AgreementGate.fit(np.linspace(0, 1, 101), None, ("a", "b"), AgreementOptions(quantile=0.1))
    refused, reasons = gate.judge_rows(np.array([0.09, 0.11], np.float32), None)
    assert refused.tolist() == [True, False]
    assert reasons == ["the judge's agreement is 0.09, below 0.1, the 10 % quantile of real rows"]


def test_copies_are_refused_and_unseen_real_rows_are_not(real):
    train, validation, unseen = real
    gate = CopyGate.fit(train, validation, CopyOptions())
    copies = np.concatenate([train[:5], train[5:10] + 0.02])
    refused, reasons = gate.judge_rows(gate.measure(copies))
    assert refused.all()
    assert reasons[3] == "equal to training row 3"
    assert reasons[7].startswith("at distance 0.0693 from training row 7 (the 1 % quantile of unseen real rows is ")
    assert gate.judge_rows(gate.measure(unseen))[0].mean() <= 0.02


def test_a_row_between_two_close_training_rows_is_no_copy(real):
    train, validation, _ = real
    pair = np.concatenate([train, train[:1] + 0.2])  # two training rows of one scene
    gate = CopyGate.fit(pair, validation, CopyOptions())
    near = gate.measure(train[:1] + 0.1)
    assert near.distance[0] < gate.distance_bar
    assert near.ratio[0] > gate.ratio_bar
    assert not gate.judge_rows(near)[0].any()


def test_without_validation_rows_only_equal_rows_are_copies(real):
    train = real[0]
    gate = CopyGate.fit(train, train[:0], CopyOptions())
    assert gate.judge_rows(gate.measure(np.concatenate([train[:1], train[1:2] + 0.01])))[0].tolist() == [True, False]


def opinion(agreement):
    return Opinion(np.zeros((len(agreement), 1), np.float32), np.asarray(agreement, np.float32))


def test_agreement_is_asked_before_copies_and_every_score_is_kept(real):
    train, validation, unseen = real
    gates = Gates.fit(train, validation, np.linspace(0.5, 1, 1000), np.arange(1000) % 2, ("a", "b"), GateOptions())
    rows = np.concatenate([train[:2], unseen[:2]])
    verdict = gates.judge_rows(opinion([0.1, 0.9, 0.1, 0.9]), rows, np.array([0, 1, 0, 1]))
    assert verdict.rejected_by.tolist() == ["agreement", "copies", "agreement", ""]
    assert [bool(reason) for reason in verdict.reasons] == [True, True, True, False]
    assert set(verdict.scores) == {"agreement", "copy_distance", "copy_ratio"}
    assert all(s.dtype == np.float32 and s.shape == (4,) for s in verdict.scores.values())
    assert set(verdict.seconds) == {"agreement", "copies"}


def test_gates_that_are_off_ask_nothing(real):
    train, validation, _ = real
    options = GateOptions.model_validate({"agreement": "off", "copies": "off"})
    verdict = Gates.fit(train, validation, np.ones(1000), None, (), options).judge_rows(None, train, None)
    assert verdict.scores == {}
    assert not any(verdict.rejected_by)


def test_verdict_does_not_depend_on_the_other_rows(real):
    train, validation, unseen = real
    gates = Gates.fit(train, validation, np.linspace(0, 1, 1000), None, (), GateOptions())
    agreement = np.linspace(0, 1, len(unseen))
    whole = gates.judge_rows(opinion(agreement), unseen, None)
    one = gates.judge_rows(opinion(agreement[7:8]), unseen[7:8], None)
    for name, scores in whole.scores.items():
        assert scores[7] == one.scores[name][0]
    assert whole.reasons[7] == one.reasons[0]
