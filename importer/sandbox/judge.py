"""The result of one customer of a request: the API's checks in order, and the magic identifiers.

Pure but for the counters of magic identifiers that fail a number of times and then succeed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from importer.sandbox.catalogue import ITEM_MESSAGES, SUCCESSES, Magic, magic_of
from importer.sandbox.options import OptionsError, PreferenceField, SandboxOptions
from importer.sandbox.shapes import ItemResult


class FieldSent(msgspec.Struct, gc=False):
    name: str
    value: str


class FieldsSent(msgspec.Struct):
    field: list[FieldSent] = []


class StoreSent(msgspec.Struct, gc=False):
    code: str = ""
    id: str = ""


class CustomerSent(msgspec.Struct):
    """A customer as it must be sent: every value a string, or the request as a whole is refused."""

    mobile: str = ""
    email: str = ""
    external_id: str = ""
    user_id: str = ""
    store: StoreSent | None = None
    custom_fields: FieldsSent | None = None


class RootSent(msgspec.Struct):
    customer: list[CustomerSent]


class BodySent(msgspec.Struct):
    root: RootSent


decode_body = msgspec.json.Decoder(BodySent).decode

#: Longest name of a preference.
NAME_LENGTH = 20
_EMAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9._+-]+").fullmatch
_INTEGER = re.compile(r"[+-]?[0-9]+").fullmatch
_DOUBLE = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?").fullmatch
_BOOLEANS = frozenset({"true", "false", "1", "0", ""})
_LISTS = msgspec.json.Decoder(list[str])


class Judgement(msgspec.Struct):
    """`stored`: the preferences to keep, None when nothing of this customer is to be kept."""

    verdict: ItemResult
    stored: dict[str, str] | None
    #: "omit" or "empty": how the answer keeps silent about it.
    silence: str = ""


class Judge:
    def __init__(self, options: SandboxOptions, success_code: int) -> None:
        self._country = options.country_code
        self._customers = None if options.customers is None else frozenset(map(self._bare, options.customers))
        self._fields = None if options.fields is None else {field.name: field for field in options.fields}
        self._checks = {field.name: _Check(field) for field in options.fields or ()}
        self._unknown_fails = options.unknown_fields == "error"
        self._stores = options.stores
        self.accepted = ItemResult(True, success_code, ITEM_MESSAGES[success_code])
        self._success_code = success_code
        self._failures = {code: ItemResult(False, code, message) for code, message in ITEM_MESSAGES.items()}
        self._spent: Counter[str] = Counter()

    def _bare(self, identifier: str) -> str:
        """An identifier as it is compared: a mobile with its country code, an e-mail in lower case."""
        if identifier.isdecimal():
            return self.mobile(identifier)
        return identifier.lower() if "@" in identifier else identifier

    def mobile(self, mobile: str) -> str:
        return self._country + mobile if len(mobile) == 10 else mobile

    def failure(self, code: int) -> ItemResult:
        verdict = self._failures.get(code)
        return verdict if verdict is not None else ItemResult(False, code, "")

    def keys(self, customer: CustomerSent) -> list[str]:
        """The identifiers under which a customer is known. Two customers that share one are the same."""
        keys = []
        if customer.mobile:
            keys.append("m:" + self.mobile(customer.mobile))
        if customer.email:
            keys.append("e:" + customer.email.lower())
        if customer.external_id:
            keys.append("x:" + customer.external_id)
        if customer.user_id:
            keys.append("u:" + customer.user_id)
        return keys

    def magic(self, customer: CustomerSent) -> Magic | None:
        return magic_of(customer.mobile, customer.email, customer.external_id, customer.user_id)

    def refusal(self, magics: Iterable[Magic | None]) -> int | None:
        """The code that a magic identifier among them refuses the whole request with."""
        for magic in magics:
            if magic is not None and magic.word == "request" and self._due(magic):
                return magic.code
        return None

    def exists(self, mobile: str, email: str, external_id: str, user_id: str) -> bool:
        known = self._customers
        if known is None:
            return True
        return (
            (mobile != "" and self.mobile(mobile) in known)
            or (email != "" and email.lower() in known)
            or (external_id != "" and external_id in known)
            or (user_id != "" and user_id in known)
        )

    def judge(self, customer: CustomerSent, magic: Magic | None) -> Judgement:
        judged = self._judge(customer)
        if magic is None or judged.stored is None:
            return judged
        return self._apply_magic(magic, judged)

    def _apply_magic(self, magic: Magic, judged: Judgement) -> Judgement:
        """A customer who would have succeeded, under a magic identifier."""
        word, code = magic.word, magic.code
        if word in {"omit", "empty"}:
            judged.silence = word
        elif word == "request" or not self._due(magic):
            return judged
        elif word == "warn":
            judged.verdict = ItemResult(True, self._success_code, ITEM_MESSAGES[self._success_code], (str(code),))
        elif word == "yes":
            return Judgement(ItemResult(True, code, ITEM_MESSAGES.get(code, "")), None)
        elif code in SUCCESSES:
            judged.verdict = ItemResult(True, code, ITEM_MESSAGES[code])
        elif code == 1035 and judged.stored:
            judged.verdict = self.failure(code)
            judged.stored = dict(list(judged.stored.items())[:1])
        else:
            return Judgement(self.failure(code), None)
        return judged

    def _due(self, magic: Magic) -> bool:
        if not magic.times:
            return True
        self._spent[magic.key] += 1
        return self._spent[magic.key] <= magic.times

    def _judge(self, customer: CustomerSent) -> Judgement:
        mobile, email, external_id = customer.mobile, customer.email, customer.external_id
        if not (mobile or email or external_id or customer.user_id):
            return Judgement(self.failure(400), None)
        if mobile:
            if not (mobile.isdecimal() and mobile.isascii()):
                return Judgement(self.failure(1001), None)
            if not 7 <= len(mobile) <= 15:
                return Judgement(self.failure(1006), None)
        if email and (len(email) > 255 or _EMAIL(email) is None):
            return Judgement(self.failure(1002), None)
        if len(external_id) > 250:
            return Judgement(self.failure(1003), None)
        if self._customers is not None and not self.exists(mobile, email, external_id, customer.user_id):
            return Judgement(self.failure(816), None)
        store = customer.store
        if self._stores is not None and store is not None:
            if store.code and store.code not in self._stores:
                return Judgement(self.failure(1004), None)
            if store.id and store.id not in self._stores:
                return Judgement(self.failure(1150), None)
        sent = customer.custom_fields
        if sent is None or not sent.field:
            # The only documented example without preferences is answered so.
            return Judgement(self.failure(999999), None)
        if self._fields is not None:
            return self._judge_fields(sent.field, self._fields)
        stored = {}
        for field in sent.field:
            name = field.name
            if not name or len(name) > NAME_LENGTH:
                return Judgement(self.failure(1017), None)
            stored[name] = field.value
        return Judgement(self.accepted, stored)

    def _judge_fields(self, sent: list[FieldSent], defined: dict[str, PreferenceField]) -> Judgement:
        stored: dict[str, str] = {}
        unknown = invalid = disabled = 0
        for field in sent:
            definition = defined.get(field.name)
            if definition is None:
                unknown += 1
            elif definition.is_disabled:
                disabled += 1
            elif self._checks[field.name](field.value):
                stored[field.name] = field.value
            else:
                invalid += 1
        if unknown and self._unknown_fails:
            return Judgement(self.failure(1017), None)
        if invalid or disabled:
            if stored:
                return Judgement(self.failure(1035), stored)
            return Judgement(self.failure(1018 if disabled and not invalid else 1030), None)
        if unknown:
            return Judgement(ItemResult(True, self._success_code, self.accepted.message, ("1017",)), stored)
        return Judgement(self.accepted, stored)


class _Check:
    """Whether a value suits a definition. An empty value clears the preference and always does."""

    def __init__(self, field: PreferenceField) -> None:
        self._type = field.datatype.lower()
        self._options = frozenset(field.options)
        try:
            self._regex = re.compile(field.regex) if field.regex else None
        except re.error as error:
            raise OptionsError(
                f"The regex of the preference {field.name!r} is not valid ({error}).",
                "Correct it in the file of fields.",
            ) from error

    def __call__(self, value: str) -> bool:
        if value == "":
            return True
        return all(self._suits(part) for part in _parts(value))

    def _suits(self, value: str) -> bool:
        if self._options:
            return value in self._options and (self._regex is None or self._regex.fullmatch(value) is not None)
        if self._type == "boolean" and value.lower() not in _BOOLEANS:
            return False
        if self._type == "integer" and _INTEGER(value) is None:
            return False
        if self._type == "double" and _DOUBLE(value) is None:
            return False
        return self._regex is None or self._regex.fullmatch(value) is not None


def _parts(value: str) -> list[str]:
    """The single values of a JSON array written as a string, or the value itself."""
    if value.startswith("["):
        try:
            return _LISTS.decode(value)
        except msgspec.DecodeError:
            pass
    return [value]
