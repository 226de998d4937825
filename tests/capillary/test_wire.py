"""Requests hold strings only, every documented answer is read, and bytes raise nothing but `UnreadableAnswer`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import unicodedata
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from importer.capillary.lookups import NoToken, decode_fields, decode_preferences, decode_token
from importer.capillary.wire import (
    LONGEST_CODE,
    LONGEST_TEXT,
    LONGEST_WARNINGS,
    UnreadableAnswer,
    decode_answer,
    encode_body,
    encode_customer,
    load_json,
    read_code,
    read_success,
    read_warnings,
)
from importer.model import Customer, ItemStatus, Store
from importer.sandbox import DOCUMENTED_SHAPES, SandboxOptions, create_app
from tests.support.sending import TILL

ASHA = Customer(2, "917744876415", "Asha@example.com", custom_fields=(("Favorite Color", "Blue"),))
NOBODY = Customer(3, external_id="code-1012+x", custom_fields=(("Favorite Color", "Red"),))
WARNED = Customer(4, external_id="warn-1017+x", custom_fields=(("Favorite Color", "Red"),))


def answer(item_status: str, more: str = "") -> bytes:
    return f'{{"response":{{"status":{{"code":200}},"customer":[{{{more}"item_status":{item_status}}}]}}}}'.encode()


def one(item_status: str, more: str = "") -> ItemStatus:
    items = decode_answer(answer(item_status, more)).items
    assert items is not None
    (item,) = items
    return item


# ---------------------------------------------------------------------------------------------------- requests


def test_a_request_holds_strings_only_and_leaves_out_what_is_not_set() -> None:
    """The API wants every value as a string; `""` would be an identifier that says nothing."""
    customer = Customer(2, "917744876415", "", "A-17", "", Store("doc123", ""), (("Brand", '["puma"]'), ("Old", "")))
    assert json.loads(encode_body([encode_customer(customer)])) == {
        "root": {
            "customer": [
                {
                    "mobile": "917744876415",
                    "external_id": "A-17",
                    "store": {"code": "doc123"},
                    "custom_fields": {"field": [{"name": "Brand", "value": '["puma"]'}, {"name": "Old", "value": ""}]},
                }
            ]
        }
    }


def test_an_empty_store_is_left_out() -> None:
    assert b"store" not in encode_customer(Customer(2, "917744876415", store=Store()))


# ---------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize("found", [[ASHA], [ASHA, NOBODY, WARNED]], ids=["one", "three"])
@pytest.mark.parametrize("shape", DOCUMENTED_SHAPES)
def test_every_documented_shape_says_the_same(shape: str, found: list[Customer]) -> None:
    """Whatever the shape, the same customers succeed and fail, with the same code and warnings."""

    async def ask() -> bytes:
        transport = httpx.ASGITransport(create_app(SandboxOptions(shape=shape)))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as http:
            response = await http.post(
                "/v1.1/customer/preferences?format=json",
                content=encode_body(map(encode_customer, found)),
                headers={"Authorization": TILL.header, "Content-Type": "application/json"},
            )
        return response.content

    items = decode_answer(asyncio.run(ask())).items
    assert items is not None
    assert items[0].success is True
    assert items[0].code == ("1000" if "success-1000" in shape else "200")
    assert items[0].mobile == "917744876415"
    assert items[0].email.lower() == "asha@example.com"
    if len(found) == 3:
        if "failed-empty" in shape:
            assert items[1] == ItemStatus()
        else:
            assert (items[1].success, items[1].code) == (False, "1012")
        assert (items[2].success, items[2].warnings) == (True, ("1017",))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("true", True),
        ('"true"', True),
        ('"True"', True),
        ('" TRUE "', True),
        ("false", False),
        ('"false"', False),
        ('"FALSE"', False),
        ("1", None),
        ("0", None),
        ('"1"', None),
        ('"yes"', None),
        ('""', None),
        ("null", None),
        ("1.0", None),
        ('"truee"', None),
        ("[]", None),
        ('{"a": true}', None),
    ],
)
def test_success_is_a_closed_list_of_yes_and_no(value: str, said: bool | None) -> None:
    """Only `true` is a success, and only `false` is a failure."""
    assert one(f'{{"success":{value},"code":200}}').success is said
    assert read_success(json.loads(value)) is said


def test_a_missing_success_is_neither() -> None:
    assert one('{"code":200}').success is None
    assert one("null").success is None
    assert one("{}").success is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("200", "200"),
        ('"200"', "200"),
        ("200.0", "200"),
        ('"200.0"', "200"),
        ('" 1000 "', "1000"),
        ("2.5", "2.5"),
        ('"E.0x"', "E.0x"),
        ("null", ""),
        ("true", ""),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1e999", "inf"),
    ],
)
def test_a_code_is_the_same_however_it_is_written(value: str, code: str) -> None:
    assert one(f'{{"success":false,"code":{value}}}').code == code


@pytest.mark.parametrize(
    ("value", "warnings"),
    [
        ("{}", ()),
        ("null", ()),
        ('{"warning": []}', ()),
        ('{"warning": ["1017"]}', ("1017",)),
        ('{"warning": [1017, "x"]}', ("1017", "x")),
        ('{"warning": {"code": 1017.0, "message": "no such field"}}', ("1017 no such field",)),
        ('["1017"]', ("1017",)),
        ('"1017"', ("1017",)),
        ('{"a": ["1"], "b": "2"}', ("1", "2")),
    ],
)
def test_warnings_are_read_in_every_form(value: str, warnings: tuple[str, ...]) -> None:
    assert one(f'{{"success":true,"code":200,"warnings":{value}}}').warnings == warnings
    assert read_warnings(json.loads(value)) == warnings


@pytest.mark.parametrize(
    "wrapped", ['"customer":{}', '"customers":{{"customer":{}}}', '"customers":{{"customer":[{}]}}']
)
def test_one_customer_may_be_an_object_or_a_list(wrapped: str) -> None:
    item = '{"item_status":{"success":true}}'
    items = decode_answer(('{"response":{' + wrapped.format(item) + "}}").encode()).items
    assert items == (ItemStatus(success=True),)


@pytest.mark.parametrize("body", ['{"response":{}}', '{"response":{"customer":null}}', '{"response":{"customers":{}}}'])
def test_a_missing_list_differs_from_an_empty_list(body: str) -> None:
    """An answer without a list of customers is distinguished from one with an empty list."""
    assert decode_answer(body.encode()).items is None
    assert decode_answer(b'{"response":{"customer":[]}}').items == ()


def test_items_that_are_not_objects_keep_their_position() -> None:
    """A null in the list must not assign the items after it to earlier rows."""
    body = b'{"response":{"customer":[null, 5, {"item_status":{"success":true}}, {"item_status":[]}]}}'
    assert decode_answer(body).items == (ItemStatus(), ItemStatus(), ItemStatus(success=True), ItemStatus())


# ---------------------------------------------------------------------------------------------------- hostile answers

SOUND = (
    '{"response":{"status":{"success":"true","code":200},"customer":[{"mobile":"91","store":{"code":"d"},'
    '"item_status":{"success":"true","code":200}},{"mobile":"92","item_status":{"success":"false","code":400}}]}}'
)


def test_the_valid_answer_of_these_tests_is_read() -> None:
    items = decode_answer(SOUND.encode()).items
    assert items is not None and [item.success for item in items] == [True, False]


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"success":"false"', '"success":"false","success":"true"'),
        ('"code":400', '"code":400,"code":200'),
        ('"mobile":"92"', '"mobile":"92","mobile":"93"'),
        ('{"mobile":"91","store"', '{"mobile":"91","mobile":"92","store"'),
        ('"store":{"code":"d"}', '"store":{"code":"d","code":"e"}'),
        ('"item_status":{"success":"false"', '"item_status":{},"item_status":{"success":"true"'),
        ('"status":{', '"status":{"success":"true"},"status":{'),
        ('"customer":[', '"customer":[],"customer":['),
        ('{"response"', '{"response":{},"response"'),
        ('"success":"false"', '"success":"false","\\u0073uccess":"true"'),
        ('"mobile":"92"', '"email":"a@b.c","email":"d@b.c"'),
        ('"mobile":"92"', '"external_id":"1","external_id":"2"'),
        ('"mobile":"92"', '"user_id":"1","user_id":"2"'),
    ],
)
def test_a_duplicate_key_makes_the_answer_unreadable(once: str, twice: str) -> None:
    """It is unknown which of the two values the server meant."""
    assert once in SOUND
    with pytest.raises(UnreadableAnswer, match=r"twice|repeats a key"):
        decode_answer(SOUND.replace(once, twice).encode())


def test_a_duplicate_key_is_found_although_another_item_lacks_it() -> None:
    """Counting keys is not enough: one item may have one too many and another one too few."""
    body = (
        b'{"response":{"customer":[{"mobile":"91","mobile":"92","item_status":{"success":true,"code":1,"code":2}},'
        b'{"item_status":{"success":true}}]}}'
    )
    with pytest.raises(UnreadableAnswer, match=r"twice|repeats a key"):
        decode_answer(body)


def test_two_lists_of_customers_make_the_answer_unreadable() -> None:
    with pytest.raises(UnreadableAnswer, match=r"twice|repeats a key"):
        decode_answer(b'{"response":{"customer":[{}],"customers":{"customer":[{}]}}}')


@pytest.mark.parametrize("text", ["success", "customer", "mobile", 'a "code" b', "item_status"])
def test_a_name_inside_a_text_is_not_a_key(text: str) -> None:
    """A message that contains "customer" must not spoil an answer."""
    item = one(json.dumps({"success": True, "code": 200, "message": text}))
    assert (item.success, item.message) == (True, text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_an_invalid_json_number_makes_the_answer_unreadable(number: str) -> None:
    with pytest.raises(UnreadableAnswer):
        decode_answer(SOUND.replace("400", number).encode())


@pytest.mark.parametrize("size", range(0, len(SOUND), 7))
def test_a_truncated_answer_is_unreadable(size: int) -> None:
    with pytest.raises(UnreadableAnswer):
        decode_answer(SOUND[:size].encode())


DEEP = [
    b"[" * 200_000 + b"]" * 200_000,
    b'{"response":' * 200_000 + b"1" + b"}" * 200_000,
    answer('{"success":true,"message":' + "[" * 200_000 + "]" * 200_000 + "}"),
    *(answer('{"success":true,"warnings":' + "[" * depth + "1" + "]" * depth + "}") for depth in (400, 900, 5_000)),
    *(answer('{"success":true,"message":' + "[" * depth + "]" * depth + "}") for depth in (400, 900, 5_000)),
    answer('{"success":true,"warnings":' + '{"warning":' * 900 + "1" + "}" * 900 + "}"),
]


@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
def test_deep_nesting_never_raises_a_recursion_error(body: bytes) -> None:
    """200,000 levels of lists overflow any reader's stack; the answer is unreadable, or read, and that is all."""
    with contextlib.suppress(UnreadableAnswer):
        decode_answer(body)


def _deep_fields(depth: int, quoted: bool) -> bytes:
    """A list of fields, one of which has options in options, as JSON or as JSON in a text."""
    options = "[" * depth + "]" * depth
    field = f'{{"name": "A", "options": {json.dumps(options) if quoted else options}}}'
    return f'{{"response": {{"organization": {{"custom_fields": {{"field": {field}}}}}}}}}'.encode()


@pytest.mark.parametrize("read", [decode_fields, decode_preferences, decode_token])
@pytest.mark.parametrize(
    "body",
    [
        *DEEP,
        *(_deep_fields(depth, quoted) for depth in (100, 480, 500, 700, 900) for quoted in (True, False)),
        _deep_fields(200_000, True),
    ],
    ids=range(len(DEEP) + 11),
)
def test_deep_nesting_in_the_answers_of_the_other_calls(read: Callable[[bytes], object], body: bytes) -> None:
    """The list of fields, what is read back and the token are read as carefully."""
    with contextlib.suppress(UnreadableAnswer):
        read(body)


def test_json_that_is_nested_too_deeply_is_reported_as_such() -> None:
    with pytest.raises(UnreadableAnswer, match="nested too deeply"):
        load_json(DEEP[0])


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n<HTML>", "web page"),
        (b"<?xml version='1.0'?><response/>", "XML"),
        (b"Bad gateway", "JSON"),
        (b"[]", "not in this API"),
        (b'{"data": 1}', "not in this API"),
        (b'{"response": []}', "not in this API"),
        (b"9" * 5000, "JSON"),
        (b"\xff\xfe{}", "JSON"),
        (b'{"response":{"customer":"\xff"}}', "JSON"),
    ],
)
def test_an_unreadable_answer_is_described_by_what_it_looks_like(body: bytes, word: str) -> None:
    with pytest.raises(UnreadableAnswer, match=word):
        decode_answer(body)


def test_texts_can_always_be_written_down() -> None:
    """Half a surrogate pair and NUL break databases and files; a megabyte of message breaks reports."""
    item = one('{"success":false,"code":"4\\u00000","message":"a\\ud800b\\u0000c","warnings":["' + "x" * 9999 + '"]}')
    assert item.message == "a?bc"
    assert item.code == "40"
    assert item.warnings == ("x" * LONGEST_TEXT,)
    item.message.encode()


NAMES = [
    "response",
    "status",
    "customer",
    "customers",
    "item_status",
    "success",
    "code",
    "message",
    "warnings",
    "warning",
    "mobile",
    "email",
    "store",
    "data",
    "accessToken",
    "ttlSeconds",
    "custom_fields",
    "field",
    "organization",
    "name",
    "options",
]
hostile_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def to_bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


def read_all(body: bytes) -> None:
    for read in (decode_answer, decode_fields, decode_preferences, decode_token, load_json):
        try:
            found: Any = read(body)
        except UnreadableAnswer:
            continue
        if read is decode_answer:
            for item in found.items or ():
                assert item.success in (True, False, None)
                repr(item).encode()
                assert isinstance(item.code, str) and isinstance(item.mobile, str)


@pytest.mark.slow
@given(
    hostile_json.map(lambda document: json.dumps({"response": document}).encode())
    | hostile_json.map(json.dumps).map(str.encode)
)
@settings(max_examples=400, deadline=None)
def test_any_document_is_read_or_raises_unreadable_answer(body: bytes) -> None:
    read_all(body)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_raise_unreadable_answer(body: bytes) -> None:
    read_all(body)


@given(st.integers(0, len(SOUND) - 1), st.binary(max_size=3), st.integers(0, 3))
@example(at=0, inserted=b"\xef\xbb\xbf", removed=0)
@settings(max_examples=500, deadline=None)
def test_changed_bytes_of_a_valid_answer_never_make_the_second_row_succeed(
    at: int, inserted: bytes, removed: int
) -> None:
    """They raise nothing but `UnreadableAnswer`, and the fast decoder agrees with the careful one."""
    body = SOUND.encode()[:at] + inserted + SOUND.encode()[at + removed :]
    read_all(body)
    try:
        items = decode_answer(body).items
    except UnreadableAnswer:
        return
    document = json.loads(body.decode("utf-8-sig", "replace"))["response"]
    listed = document.get("customer") or (document.get("customers") or {}).get("customer") or []
    for item, entry in zip(items or (), listed if isinstance(listed, list) else [listed], strict=False):
        status = entry.get("item_status") if isinstance(entry, dict) else None
        said = status.get("success") if isinstance(status, dict) else None
        assert item.success is read_success(said)
        assert item.code == read_code(status.get("code") if isinstance(status, dict) else None)


# ---------------------------------------------------------------------------------------------------- the other calls


def test_a_token_and_its_life() -> None:
    assert decode_token(b'{"data": {"accessToken": "t", "ttlSeconds": 60}, "errors": null}') == ("t", 60.0)
    for life in (b"null", b'"60"', b"true", b"-1", b"0", b"1e999", b"9" * 400):
        assert decode_token(b'{"data": {"accessToken": "t", "ttlSeconds": ' + life + b"}}") == ("t", 300.0)


@pytest.mark.parametrize("token", ["null", '""', "5", '" "', '"a\\nb: c"', '"\\u00e9"'])
def test_a_token_that_cannot_be_a_header_is_refused(token: str) -> None:
    with pytest.raises(NoToken):
        decode_token(f'{{"data": {{"accessToken": {token}}}}}'.encode())


def test_fields_are_read_as_object_and_as_list() -> None:
    entry = '{"name": "Color", "datatype": "String", "options": "[\\"a\\", \\"b\\"]", "is_disabled": "true"}'
    wrapped = '{{"response": {{"organization": {{"custom_fields": {{"field": {}}}}}}}}}'
    for text in (entry, f"[{entry}]"):
        (definition,) = decode_fields(wrapped.format(text).encode())
        assert (definition.name, definition.options, definition.is_disabled) == ("Color", ("a", "b"), True)


def test_preferences_that_were_read_back() -> None:
    body = (
        b'{"response":{"customers":{"customer":{"item_status":{"success":"true"},'
        b'"custom_fields":{"field":[{"name":"A","value":"1"}]}}}}}'
    )
    assert decode_preferences(body) == {"A": "1"}
    assert decode_preferences(body.replace(b'"true"', b'"false"')) is None


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("Blue, Red", ("Blue", "Red")),
        (["Red, dark", "Blue"], ("Red, dark", "Blue")),
        (["Red, dark"], ("Red, dark",)),
        ('["Red, dark", "Blue"]', ("Red, dark", "Blue")),
        ({"option": ["Red, dark", "Blue"]}, ("Red, dark", "Blue")),
        ({"1": "Red, dark", "2": "Blue"}, ("Red, dark", "Blue")),
        ({"option": "Blue"}, ("Blue",)),
        ([" Blue ", "", None, 5], ("Blue", "5")),
        (None, ()),
        ({}, ()),
    ],
)
def test_only_a_text_of_all_options_is_split_at_its_commas(options: Any, found: tuple[str, ...]) -> None:
    """Commas inside an option belong to it."""
    document = {"response": {"organization": {"custom_fields": {"field": {"name": "Colour", "options": options}}}}}
    (field,) = decode_fields(json.dumps(document).encode())
    assert field.options == found


def test_options_with_half_a_surrogate_pair() -> None:
    """As raw bytes and as an escape, in a list that is itself a text."""
    for half in (b"\xed\xa0\x80", b"\\\\ud800"):
        options = b'"[\\"Blue' + half + b'\\"]"'
        field = b'{"name":"Colour","options":' + options + b"}"
        (found,) = decode_fields(b'{"response":{"organization":{"custom_fields":{"field":[' + field + b"]}}}}")
        (option,) = found.options
        assert option.startswith("Blue") and option.encode()


#: Colours, a title, the clipboard, C1, DEL, a line break and an override of the direction, around the words.
TERMINAL = "\x1b[31mNo\x1b]0;owned\x07 \x1b]52;c;ZXZpbA==\x1b\\such\x9b1m\x7f cus\u202etomer\u2066\r\nhere\x00\x08\x85."


def test_no_control_character_of_the_server_is_kept() -> None:
    """In messages, codes, warnings and field names: they go to reports, logs and terminals. Words stay."""
    status = {"success": "false", "code": f"8\x1b[1m16{TERMINAL}", "message": TERMINAL, "warnings": [{"a": TERMINAL}]}
    body = {"response": {"status": {"code": TERMINAL, "message": TERMINAL}, "customer": [{"item_status": status}]}}
    for encoded in (json.dumps(body), json.dumps(body, ensure_ascii=False)):
        read = decode_answer(encoded.encode())
        assert read.items is not None
        (item,) = read.items
        texts = [item.code, item.message, *item.warnings, read.status.code, read.status.message]
        assert not [c for text in texts for c in text if not c.isprintable()]
        assert item.message == read.status.message == "No such customer  here ."
    fields = {"name": TERMINAL, "label": TERMINAL, "datatype": "string", "options": [TERMINAL, f"a,{TERMINAL}"]}
    document = {"response": {"organization": {"custom_fields": {"field": [fields]}}}}
    (field,) = decode_fields(json.dumps(document).encode())
    assert all(text.isprintable() for text in (field.name, field.label, *field.options))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_texts_of_the_server_are_one_line_without_control_characters(text: str) -> None:
    """Whatever sequences they are made of; a text without any is kept as it is."""
    status = json.dumps({"success": "false", "code": "816", "message": text})
    items = decode_answer(answer(status)).items
    assert items is not None
    (item,) = items
    unsafe = {"Cc", "Zl", "Zp"}
    assert not [c for c in item.message if unicodedata.category(c) in unsafe or c in "\u202a\u202b\u202d\u202e\u2066"]
    if not [c for c in text if unicodedata.category(c) in {*unsafe, "Cf"}]:
        assert item.message == text[:LONGEST_TEXT]


def test_codes_and_warnings_are_cut() -> None:
    """A row's result must fit into a cell that our reader takes back: a code of any length, warnings of any number."""
    status = {"success": "true", "code": "7" * 5000, "warnings": [{"warning": ["w" * 1500] * 1000}]}
    items = decode_answer(answer(json.dumps(status))).items
    assert items is not None
    (item,) = items
    assert len(item.code) == LONGEST_CODE
    assert 0 < len("; ".join(item.warnings)) <= LONGEST_WARNINGS


def test_values_that_were_read_back_are_compared_as_they_are() -> None:
    """A value with a line break that was sent must be equal when it is read back."""
    customer = {
        "mobile": "91",
        "item_status": {"success": "true", "code": "1000"},
        "custom_fields": {"field": [{"name": "Notes", "value": "two\nlines"}]},
    }
    body = {"response": {"customers": {"customer": [customer]}}}
    assert decode_preferences(json.dumps(body).encode()) == {"Notes": "two\nlines"}
