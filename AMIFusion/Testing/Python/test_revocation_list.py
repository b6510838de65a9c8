"""Revocation lists: what one says, what is none, and that a revoked license opens nothing."""

import base64
import json
from datetime import datetime, timedelta, timezone

import jwt
import pytest
from AMIFusionLib.authorization import errors
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.license import inspect_license, license_number
from AMIFusionLib.authorization.model_file import read_model, seal_model
from AMIFusionLib.authorization.revocation import (
    LARGEST_LIST,
    MOST_REVOKED,
    check_revocation_url,
    issue_revocation_list,
    next_sequence,
    read_revocation_list,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NOW = datetime.now(timezone.utc).replace(microsecond=0)
NUMBER = "0521c3c6-9573-4a80-89ca-7a34f3d08695"
PAYLOAD = {"iss": "Test publisher", "seq": 5, "iat": 1_700_000_000, "next": 1_800_000_000, "revoked": {NUMBER: 1}}


def make_list(publisher, *numbers, sequence=5, issued=NOW, days=30):
    """A list's file."""
    revoked = {number: issued for number in numbers}
    return issue_revocation_list(
        "Test publisher", revoked, publisher.signing_key, sequence, issued, issued + timedelta(days=days)
    )


def signed(publisher, payload, header=None):
    """A token that no publisher would make."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    parts = [json.dumps({"alg": "EdDSA", "typ": "amifusion-revocations", **(header or {})}).encode(), body]
    head = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (head + b"." + base64.urlsafe_b64encode(publisher.signing_key.sign(head)).rstrip(b"=")).decode()


def test_list_says_what_was_put_into_it(publisher):
    found = read_revocation_list(make_list(publisher, NUMBER), publisher.public_key)
    assert (found.issuer, found.sequence, dict(found.revoked)) == ("Test publisher", 5, {NUMBER: NOW})
    assert found.issued == NOW and found.next_update == NOW + timedelta(days=30) and not found.is_stale()


def test_same_list_is_the_same_text_and_people_can_read_its_head(publisher):
    other = "ffffffff-9573-4a80-89ca-7a34f3d08695"
    text = make_list(publisher, other, NUMBER)
    assert text == make_list(publisher, NUMBER, other)
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("# AMIFusion revocation list\n# Issuer:      Test publisher\n# Sequence:    5\n")
    assert any(NUMBER in line for line in head) and "# Revoked:     2" in head
    assert max(len(line) for line in text.splitlines()) <= 120


def test_editors_and_mail_may_change_breaks_and_head(publisher):
    text = make_list(publisher, NUMBER)
    for changed in (
        text.replace("\n", "\r\n"), "\ufeff" + text, text + "\n\n", text.replace("Test", "Fake"),
        "".join(line for line in text.splitlines() if not line.startswith("#")),
    ):  # fmt: skip
        found = read_revocation_list(changed, publisher.public_key)
        assert NUMBER in found.revoked and found.issuer == "Test publisher"


def test_revoked_license_opens_nothing_and_says_what_to_do(publisher, model, issue):
    revoked, other = issue(), issue()
    number = inspect_license(revoked)["jti"]
    known = read_revocation_list(make_list(publisher, number), publisher.public_key)
    assert authorize(model, revoked).is_licensed
    refused = authorize(model, revoked, known)
    assert not refused.is_licensed and refused.parameters is model.public_parameters
    assert f"revoked by Test publisher on {NOW:%Y-%m-%d}. Ask desk@example.org for a new one" in refused.problem
    assert number in refused.problem
    held = authorize(model, other, known)
    assert held.is_licensed and held.warning == "" and held.problem == ""


def test_old_list_still_revokes_and_warns_the_others(publisher, model, issue):
    revoked = issue()
    text = make_list(publisher, inspect_license(revoked)["jti"], issued=NOW - timedelta(days=40))
    known = read_revocation_list(text, publisher.public_key)
    assert known.is_stale() and not authorize(model, revoked, known).is_licensed
    held = authorize(model, issue(), known)
    assert held.is_licensed and f"renewed by {NOW - timedelta(days=10):%Y-%m-%d}" in held.warning


@pytest.mark.parametrize("days", [-20_000, 20_000])
def test_wrong_clocks_make_no_list_invalid(publisher, days):
    """Of the publisher or of the user: from the user's side they look the same."""
    issued = NOW + timedelta(days=days) if days > 0 else datetime(1971, 1, 1, tzinfo=timezone.utc)
    found = read_revocation_list(make_list(publisher, NUMBER, issued=issued), publisher.public_key)
    assert NUMBER in found.revoked and found.is_stale() == (days < 0)


def test_sequence_grows_whatever_the_publishers_clock_and_copies_say(publisher):
    ahead = read_revocation_list(make_list(publisher, sequence=1 << 40), publisher.public_key)
    assert next_sequence(None, NOW) == int(NOW.timestamp())
    assert next_sequence(ahead, NOW) == (1 << 40) + 1
    # An old copy of the list, from before several others.
    copy = read_revocation_list(make_list(publisher, sequence=9), publisher.public_key)
    others = [next_sequence(copy, NOW + timedelta(days=day)) for day in range(3)]
    assert next_sequence(copy, NOW + timedelta(days=4)) > max(others)


def test_list_of_another_publisher_does_not_count(publisher, make_publisher, model, issue):
    stranger, text = make_publisher(), issue()
    number = inspect_license(text)["jti"]
    with pytest.raises(errors.RevocationSignatureError, match="not from the model's publisher"):
        read_revocation_list(make_list(stranger, number), publisher.public_key)
    foreign = read_revocation_list(make_list(stranger, number), stranger.public_key)
    assert authorize(model, text, foreign).is_licensed


def test_licenses_and_lists_are_not_taken_for_each_other(publisher, model, issue):
    with pytest.raises(errors.RevocationListError):
        read_revocation_list(issue(), publisher.public_key)
    assert not authorize(model, make_list(publisher, NUMBER)).is_licensed
    # Even with the claims of a list, a token that is not marked as one does not count.
    for kind in ("JWT", None, "", "amifusion-revocation"):
        with pytest.raises(errors.RevocationListError):
            read_revocation_list(signed(publisher, PAYLOAD, {"typ": kind}), publisher.public_key)
    assert read_revocation_list(signed(publisher, PAYLOAD), publisher.public_key).sequence == 5


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"b64": False, "crit": ["b64"]}, {"crit": ["x"]}]
)
def test_other_algorithms_and_demands_do_not_pass(publisher, header):
    with pytest.raises(errors.RevocationListError):
        read_revocation_list(signed(publisher, PAYLOAD, header), publisher.public_key)


def test_list_signed_with_the_public_key_as_a_secret_does_not_pass(publisher):
    token = jwt.encode(PAYLOAD, "long enough to be a shared secret for this", algorithm="HS256",
                       headers={"typ": "amifusion-revocations"})  # fmt: skip
    with pytest.raises(errors.RevocationListError):
        read_revocation_list(token, publisher.public_key)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": ""}, {"iss": 3}, {"iss": "two\nlines"}, {"iss": "x" * 201}, {"seq": 0}, {"seq": -1}, {"seq": 1.5},
        {"seq": True}, {"seq": "5"}, {"seq": 1 << 60}, {"seq": None}, {"iat": -1}, {"iat": 10**15}, {"iat": "now"},
        {"next": 1_700_000_000}, {"next": 10**15}, {"revoked": [NUMBER]}, {"revoked": {"x": 1}}, {"revoked": None},
        {"revoked": {NUMBER.upper(): 1}}, {"revoked": {NUMBER: -1}}, {"revoked": {NUMBER: 10**15}},
        {"revoked": {NUMBER: None}}, {"revoked": {NUMBER + "\n": 1}},
    ],
)  # fmt: skip
def test_signed_nonsense_is_refused_too(publisher, change):
    with pytest.raises(errors.RevocationListError, match="not a complete revocation list"):
        read_revocation_list(signed(publisher, {**PAYLOAD, **change}), publisher.public_key)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b"\xff", b"{", b"[" * 100_000, b'{"seq": 1, "seq": 2}', b'{"seq": ' + b"9" * 10_000 + b"}",
     json.dumps(PAYLOAD).replace("5", "NaN", 1).encode()],
)  # fmt: skip
def test_signed_things_that_are_no_json_object(publisher, payload):
    with pytest.raises(errors.RevocationListError):
        read_revocation_list(signed(publisher, payload), publisher.public_key)


@pytest.mark.parametrize("text", ["", "x", None, 3, b"eyJ", "# only a head\n", "eyJ.eyJ.x", "eyJ" * 100, "\x00"])
def test_other_things_are_no_list(publisher, text):
    with pytest.raises(errors.RevocationListError, match="not a complete revocation list. Get the file again"):
        read_revocation_list(text, publisher.public_key)


def test_huge_lists(publisher):
    many = [f"00000000-0000-4000-8000-{number:012x}" for number in range(MOST_REVOKED)]
    text = make_list(publisher, *many)
    assert len(text) <= LARGEST_LIST
    assert len(read_revocation_list(text, publisher.public_key).revoked) == MOST_REVOKED
    with pytest.raises(ValueError, match=f"at most {MOST_REVOKED}"):
        make_list(publisher, *many, NUMBER)
    with pytest.raises(errors.RevocationListError):
        read_revocation_list(text + "\n" * LARGEST_LIST, publisher.public_key)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_cut_or_insertion_is_refused(publisher, data):
    token = "".join(line for line in make_list(publisher, NUMBER).splitlines() if not line.startswith("#"))
    position = data.draw(st.integers(0, len(token) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if how == "flip":
        spoiled = (
            token[:position] + chr(ord(token[position]) ^ (1 << data.draw(st.integers(0, 6)))) + token[position + 1 :]
        )
    elif how == "cut":
        spoiled = token[:position]
    else:
        spoiled = token[:position] + data.draw(st.text(min_size=1, max_size=4)) + token[position:]
    try:
        found = read_revocation_list(spoiled, publisher.public_key)
    except errors.RevocationListError as error:
        assert token[:30] not in str(error)
    else:
        # A break or a bit that base64 leaves unused says the same; anything else must not pass.
        assert NUMBER in found.revoked and found.sequence == 5


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.from_regex(r"(#.*\n)*eyJ[\w-]{0,40}\.eyJ[\w-]{0,40}\.[\w-]{86}", fullmatch=True)))
def test_any_text_is_refused_with_a_sentence(publisher, text):
    with pytest.raises(errors.RevocationListError) as caught:
        read_revocation_list(text, publisher.public_key)
    assert len(str(caught.value)) > 40


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=40), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(sorted(PAYLOAD)), JSON, min_size=1), header=st.dictionaries(
    st.sampled_from(["typ", "alg", "kid", "crit", "b64", "zip"]), JSON, max_size=1))  # fmt: skip
def test_anything_signed_is_a_sound_list_or_refused(publisher, model, issue, changes, header):
    text = signed(publisher, {**PAYLOAD, **changes}, header)
    try:
        found = read_revocation_list(text, publisher.public_key)
    except errors.RevocationListError:
        return
    assert found.issuer.strip() and found.sequence > 0 and found.issued < found.next_update
    assert authorize(model, issue(), found).is_licensed


@pytest.mark.parametrize(
    "url", ["https://example.org/revocations.txt", "https://example.org:8443/a?b=c", "http://localhost:8000/x",
            "http://127.0.0.1/x", "http://[::1]:80/x"],
)  # fmt: skip
def test_addresses_that_may_be_fetched(url):
    check_revocation_url(url)


@pytest.mark.parametrize(
    "url", ["", "x", "http://example.org/x", "file:///etc/passwd", "ftp://example.org/x", "data:text/plain,x",
            "https://", "https:///x", "https://user:word@example.org/x", "https://user@example.org/x",
            "https://example.org/#x", "https://example.org/a b", "https://example.org/\n", "https://exämple.org/",
            "http://localhost.example.org/", "http://localhost@example.org/", "https://example.org:99999/",
            "https://[::1/", "https://example.org/" + "x" * 500, "//example.org/x", "javascript:x", "https://e.org\\@x/"],
)  # fmt: skip
def test_addresses_that_may_not(url, publisher, describe, parameter_sets, tmp_path):
    with pytest.raises(ValueError, match="must begin with https://"):
        check_revocation_url(url)
    if url:
        description = describe(publisher, revocation_url=url)
        with pytest.raises(ValueError, match="must begin with https://"):
            seal_model(tmp_path / "x.amif", description, *parameter_sets, publisher.model_key)
        assert not (tmp_path / "x.amif").exists()


def test_numbers_are_read_off_the_publishers_own_licenses_only(publisher, make_publisher, issue):
    for text in (issue(), issue(start=-9, end=-3), issue(start=5)):
        assert license_number(text, publisher.public_key) == inspect_license(text)["jti"]
        with pytest.raises(errors.LicenseSignatureError, match="not signed with this key"):
            license_number(text, make_publisher().public_key)


class TestDescription:
    """What a model file newly says, and that files which do not say it are as they were."""

    def test_plain_models_are_written_as_version_1(self, model_path):
        content = model_path.read_bytes()
        assert b'"format_version": 1' in content and b"generation" not in content and b"revocation" not in content

    def test_later_fields_come_back_and_are_refused_by_name_in_versions_before(
        self, tmp_path, publisher, describe, parameter_sets
    ):
        path = tmp_path / "later.amif"
        description = describe(publisher, generation=3, revocation_url="https://example.org/r.txt")
        seal_model(path, description, *parameter_sets, publisher.model_key)
        assert b'"format_version": 2' in path.read_bytes()
        assert read_model(path).description == description

    def test_changed_address_closes_the_model(self, tmp_path, publisher, describe, parameter_sets, issue):
        path = tmp_path / "model.amif"
        seal_model(path, describe(publisher, revocation_url="https://example.org/r.txt"), *parameter_sets,
                   publisher.model_key)  # fmt: skip
        text = issue(model=read_model(path))
        assert authorize(read_model(path), text).is_licensed
        path.write_bytes(path.read_bytes().replace(b"https://example.org/r.txt", b"https://example.com/r.txt"))
        assert read_model(path).description.revocation_url == "https://example.com/r.txt"
        assert not authorize(read_model(path), text).is_licensed

    @pytest.mark.parametrize("generation", [0, -1, 1.5, True, "2", None, 10**9])
    def test_impossible_generations(self, tmp_path, publisher, describe, parameter_sets, generation):
        with pytest.raises(ValueError, match="generation must be a whole number"):
            seal_model(tmp_path / "x.amif", describe(publisher, generation=generation), *parameter_sets,
                       publisher.model_key)  # fmt: skip

    def test_licenses_of_other_generations_say_so(self, tmp_path, publisher, describe, parameter_sets, issue, model):
        path = tmp_path / "next.amif"
        seal_model(path, describe(publisher, generation=2), *parameter_sets, publisher.model_key)
        later = read_model(path)
        for opened, text in ((later, issue()), (model, issue(model=later))):
            refused = authorize(opened, text)
            assert not refused.is_licensed and "exchanged the model's key. Ask desk@example.org" in refused.problem
        assert authorize(later, issue(model=later)).is_licensed
