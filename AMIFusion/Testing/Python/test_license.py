"""Licenses: every way in which one can fail has its own exception and a sentence for the user."""

import base64
import json
from datetime import datetime, timedelta, timezone

import jwt
import pytest
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.license import (
    CLOCK_LEEWAY,
    check_license,
    inspect_license,
    issue_license,
    license_file_text,
    read_license_file,
)
from AMIFusionLib.authorization.model_file import read_model, seal_model
from AMIFusionLib.input_files import InputFileError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_valid_license_tells_who_and_until_when(issue, model, publisher):
    checked = check_license(issue(), model.description)
    assert (checked.licensee, checked.issuer, checked.model_id) == ("Dr. Test", "Test publisher", "test-model-1")
    assert checked.model_key == publisher.model_key
    assert checked.expires > datetime.now(timezone.utc)


@pytest.mark.parametrize(
    "shape",
    [
        "plain",
        "spaces",
        "wrapped",
        "file",
        "joined file",
        "windows file",
        "quoted mail",
        "quoted in one line",
        "with other words",
    ],
)
def test_license_may_be_pasted_in_any_shape(issue, model, shape):
    text = issue()
    wrapped = "\n".join(text[start : start + 60] for start in range(0, len(text), 60))
    shapes = {
        "plain": text,
        "spaces": f"  {text}\n\n",
        "wrapped": wrapped,
        "file": license_file_text(text),
        "joined file": " ".join(license_file_text(text).split()),
        "windows file": license_file_text(text).replace("\n", "\r\n"),
        "quoted mail": "\n".join(f"> {line}" for line in f"Dear all,\n{wrapped}\nBest, Jane".splitlines()),
        "quoted in one line": " > ".join(wrapped.splitlines()),
        "with other words": f'Here it is: "{text}". Thank you.',
    }
    assert check_license(shapes[shape], model.description).licensee == "Dr. Test"


def test_licensee_may_look_like_a_token(issue, model):
    text = license_file_text(issue(licensee="eyJorge.eyJ.x"))
    assert check_license(text, model.description).licensee == "eyJorge.eyJ.x"
    assert check_license(" ".join(text.split()), model.description).licensee == "eyJorge.eyJ.x"


@pytest.mark.parametrize("thing", [b"eyJ", 3, ["eyJ"]])
def test_other_things_than_text(model, thing):
    assert "not a complete license" in authorize(model, thing).problem


def test_expired_license_names_the_day(issue, model):
    day = (datetime.now(timezone.utc) - timedelta(days=3)).strftime("%Y-%m-%d")
    with pytest.raises(errors.LicenseExpiredError, match=f"expired on {day}.*Ask desk@example.org"):
        check_license(issue(start=-40, end=-3), model.description)


def test_license_of_the_future_names_its_first_day(issue, model):
    day = (datetime.now(timezone.utc) + timedelta(days=5)).strftime("%Y-%m-%d")
    with pytest.raises(errors.LicenseNotYetValidError, match=f"valid from {day}"):
        check_license(issue(start=5, end=30), model.description)


def test_clock_may_be_a_little_off(issue, model):
    minutes = CLOCK_LEEWAY.total_seconds() / 86400
    check_license(issue(start=-1, end=-minutes / 2), model.description)
    check_license(issue(start=minutes / 2, end=1), model.description)
    with pytest.raises(errors.LicenseExpiredError):
        check_license(issue(start=-1, end=-minutes * 1.2), model.description)


def test_same_publishers_license_for_another_model(tmp_path, issue, model, publisher, describe, parameter_sets):
    path = tmp_path / "other.amif"
    seal_model(path, describe(publisher, "test-model-2"), *parameter_sets, publisher.model_key)
    with pytest.raises(errors.LicenseModelError, match="'test-model-2', not for 'test-model-1'"):
        check_license(issue(model=read_model(path)), model.description)


def test_foreign_publishers_license(tmp_path, issue, model, make_publisher, describe, parameter_sets):
    stranger = make_publisher()
    path = tmp_path / "foreign.amif"
    seal_model(path, describe(stranger), *parameter_sets, stranger.model_key)
    with pytest.raises(errors.LicenseSignatureError, match="not issued by Test publisher"):
        check_license(issue(model=read_model(path), publisher=stranger), model.description)


def test_genuine_license_with_a_wrong_key(issue, model):
    checked = check_license(issue(key=bytes(32)), model.description)
    with pytest.raises(errors.LicenseKeyError, match="does not open"):
        model.open_parameters(checked.model_key)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJ.eyJ.x", "🔑" * 50, "a" * 100_000, "# only a comment\n"])
def test_other_text_is_no_license(model, text):
    with pytest.raises(errors.LicenseFormatError, match="not a complete license"):
        check_license(text, model.description)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_other_algorithms_do_not_pass(issue, model, algorithm):
    """A token "signed" with nothing, or with the public key as a shared secret."""
    claims = jwt.decode(issue(), options={"verify_signature": False})
    key = None if algorithm == "none" else "not the publisher's key, but long enough for it"
    with pytest.raises(errors.LicenseError):
        check_license(jwt.encode(claims, key, algorithm=algorithm), model.description)


@pytest.mark.parametrize("missing", ["iss", "sub", "model", "nbf", "exp", "jti", "key"])
def test_license_without_one_claim(issue, model, publisher, missing):
    claims = jwt.decode(issue(), options={"verify_signature": False})
    del claims[missing]
    with pytest.raises(errors.LicenseFormatError):
        check_license(jwt.encode(claims, publisher.signing_key, algorithm="EdDSA"), model.description)


@pytest.mark.parametrize(
    ("claim", "value"),
    [("exp", 10**17), ("exp", 1e300), ("exp", "soon"), ("exp", None), ("exp", [1]), ("nbf", -(10**17)), ("key", 7),
     ("key", "c2hvcnQ="), ("model", {"a": 1})],
)  # fmt: skip
def test_signed_nonsense_is_a_refusal_too(issue, model, publisher, claim, value):
    """Even what the publisher signed must not lead to a crash."""
    claims = {**jwt.decode(issue(), options={"verify_signature": False}), claim: value}
    text = _signed(claims, publisher)
    authorization = authorize(model, text)
    assert not authorization.is_licensed and len(authorization.problem) > 40


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_or_cut_is_refused(issue, model, data):
    text = issue()
    if data.draw(st.booleans()):
        spoiled = text[: data.draw(st.integers(0, len(text) - 1))]
    else:
        position, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
        spoiled = text[:position] + chr(ord(text[position]) ^ (1 << bit)) + text[position + 1 :]
    if _means_the_same(spoiled, text):
        return
    with pytest.raises(errors.LicenseError) as caught:
        check_license(spoiled, model.description)
    assert len(str(caught.value)) > 40
    assert text[:30] not in str(caught.value)


def test_every_problem_leads_to_the_public_parameters(issue, model):
    for text in (issue(start=-9, end=-3), issue()[:-10], issue(key=bytes(32)), "nonsense"):
        authorization = authorize(model, text)
        assert not authorization.is_licensed
        assert authorization.problem
        assert authorization.parameters is model.public_parameters
    assert authorize(model, None).problem == ""
    assert authorize(model, "  \n").problem == ""


def test_valid_license_leads_to_the_sealed_parameters(issue, model, parameter_sets):
    authorization = authorize(model, issue())
    assert authorization.is_licensed
    assert (authorization.parameters["stem.weight"] == parameter_sets[1]["stem.weight"]).all()


def test_nothing_shows_the_key_or_the_license(issue, model, publisher):
    text = issue()
    encoded = base64.urlsafe_b64encode(publisher.model_key).decode()
    authorization = authorize(model, text)
    shown = repr(authorization) + repr(authorization.license) + json.dumps(inspect_license(text))
    assert encoded not in shown and publisher.model_key.hex() not in shown and repr(publisher.model_key) not in shown
    for spoiled in (text[:-3], issue(start=-9, end=-3)):
        with pytest.raises(errors.LicenseError) as caught:
            check_license(spoiled, model.description)
        assert caught.value.__cause__ is None and caught.value.__context__ is None
        assert encoded not in str(caught.value)


def test_impossible_licenses_are_not_issued(model, publisher, make_publisher):
    now = datetime.now(timezone.utc)
    good = {
        "model": model.description, "model_key": publisher.model_key, "signing_key": publisher.signing_key,
        "licensee": "Dr. Test", "not_before": now, "expires": now + timedelta(days=1),
    }  # fmt: skip
    for change, sentence in (
        ({"licensee": " "}, "licensee"),
        ({"licensee": "Jane\nRoe"}, "one line"),
        ({"licensee": "J" * 300}, "at most 200"),
        ({"expires": now}, "end after"),
        ({"model_key": b"short"}, "32 bytes"),
        ({"signing_key": make_publisher().signing_key}, "not that of the publisher"),
    ):
        with pytest.raises(ValueError, match=sentence):
            issue_license(**{**good, **change})


def _signed(claims, publisher):
    """A token that PyJWT itself would not make."""

    def encoded(part):
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")

    body = encoded({"alg": "EdDSA", "typ": "JWT"}) + b"." + encoded(claims)
    signature = base64.urlsafe_b64encode(publisher.signing_key.sign(body)).rstrip(b"=")
    return (body + b"." + signature).decode()


def _means_the_same(spoiled, text):
    """Whether only bits were changed that base64 leaves unused."""

    def decoded(token):
        return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]

    try:
        return decoded(spoiled) == decoded(text)
    except ValueError:
        return False


def test_license_files_are_read_within_bounds(tmp_path, issue):
    path = tmp_path / "a.license"
    path.write_bytes(b"\xef\xbb\xbf" + issue().encode() + b"\n\xff")
    assert read_license_file(path).startswith("eyJ")
    with pytest.raises(InputFileError, match="is a folder"):
        read_license_file(tmp_path)
    with open(path, "r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputFileError, match="is larger than"):
        read_license_file(path)
