"""Rules for whole columns: proposed, previewed, applied in an order, and downloaded as a mapping."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from contextlib import closing

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from importer.errors import ImporterError
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.countries import COUNTRIES
from importer.normaliser.mapping import Mapping, fit
from importer.normaliser.rules import DOES, Rule
from importer.system.text import sentence, shortened
from importer.web.fixing.edits import EditStore
from importer.web.fixing.problem_rows import ProblemRows
from importer.web.fixing.ruling import (
    Preview,
    columns_for_rules,
    fault_of,
    form_of,
    moved,
    offers_of,
    preview,
    rule_from,
    ruling_of,
    with_offers,
    with_rule,
)
from importer.web.messages import words_of
from importer.web.pages.mapped import mapping_in, take_mapping
from importer.web.pages.results import check_of, form_to_fix, inspection_of, reading_of
from importer.web.pages.site import Site, get, post
from importer.web.refusals import RequestRefused
from importer.web.storage import Upload

#: Texts of a rule that are listed, and the characters of what is wrong in a form.
_SHOWN, _LONGEST_SAID = 12, 200


class RuleView(msgspec.Struct, frozen=True):
    words: str
    column: str
    texts: str


class RulePages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            get("/uploads/{upload}/rules", self.show),
            post("/uploads/{upload}/rules", self.change),
            get("/uploads/{upload}/mapping.toml", self.download),
        ]

    async def show(self, request: Request) -> Response:
        upload = self._site.upload_to_fix(request)
        if not upload.mapped:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        return await self._show(request, upload, {})

    async def _show(
        self,
        request: Request,
        upload: Upload,
        draft: dict[str, str],
        *,
        faults: tuple[str, ...] = (),
        fault: tuple[str, str] = ("", ""),
        found: Preview | None = None,
    ) -> Response:
        checked = await check_of(self._site, upload)
        inspection = await inspection_of(self._site, upload)
        if checked is None or inspection is None:
            return self._site.waiting(request, "check", "wait.check", upload.name)
        if checked.findings is None:
            return RedirectResponse(f"/uploads/{upload.id}/check", 303)
        mapping = mapping_in(upload, inspection)
        can_undo, can_redo = await asyncio.to_thread(_can, upload)
        return self._site.show(
            request,
            "rules",
            422 if faults or fault[0] else 200,
            upload=upload,
            rules=[self._view(rule) for rule in mapping.rules],
            offers=[
                (offer, self._offer_view(offer.rule, offer.is_list)) for offer in offers_of(checked.findings, mapping)
            ],
            reading=reading_of(inspection),
            seen=_seen(mapping),
            draft=draft,
            faults=faults,
            fault=fault,
            preview=found,
            columns=columns_for_rules(mapping),
            kinds=DOES,
            countries=sorted(COUNTRIES),
            codes=[(code, sentence(meaning)) for code, (meaning, _, _) in OWN_CODES.items()],
            controls=self._site.live_of(upload) is None,
            can_undo=can_undo,
            can_redo=can_redo,
        )

    def _view(self, rule: Rule) -> RuleView:
        t, does = self._site.t, rule.does
        texts = {
            "values": [f"{before} → {after}" for before, after in rule.values.items()],
            "find": [f"{rule.find} → {rule.replace}"],
            "country": [rule.country],
            "leave_out": [sentence(OWN_CODES[code][0]) for code in rule.leave_out if code in OWN_CODES],
        }.get(does)
        if texts is None:
            value = getattr(rule, does, ())
            texts = [f"“{text}”" for text in value] if isinstance(value, tuple) else []
        shown = ", ".join(texts[:_SHOWN])
        if len(texts) > _SHOWN:
            shown = t("rules.and_more", texts=shown, n=len(texts) - _SHOWN)
        return RuleView(t(f"rules.does.{does}"), rule.column, shown)

    def _offer_view(self, rule: Rule | None, is_list: str) -> RuleView:
        return self._view(rule) if rule is not None else RuleView(self._site.t("rules.is_list"), is_list, "")

    # ------------------------------------------------------------------------------------------------ changes

    async def change(self, request: Request) -> Response:
        """Applies, moves or removes rules and checks every row again; or shows what a rule would change."""
        upload, fields = await form_to_fix(self._site, request)
        inspection = await inspection_of(self._site, upload)
        if inspection is None or not upload.mapped:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        if "edit" in fields:
            offered = with_offers(_without_rules(mapping_in(upload, inspection)), [fields["edit"]])[0].rules
            return await self._show(request, upload, form_of(offered[0]) if offered else {})
        if "preview" in fields or fields.get("add") == "own":
            field, word, about = fault_of(_with_code(fields), mapping_in(upload, inspection))
            if field:
                said = self._site.t(f"rules.wrong.{word}", about=shortened(about, _LONGEST_SAID))
                return await self._show(request, upload, fields, fault=(field, said))
        if "preview" in fields:
            return await self._preview(request, upload, fields)
        async with self._site.turn(upload):
            mapping = mapping_in(upload, inspection)
            made, faults = self._changed(mapping, fields)
            try:
                if not faults and made != mapping:
                    fit(made, inspection.column_names)
            except ImporterError as error:
                faults = [words_of(error)]
            if not faults and made != mapping:
                await asyncio.to_thread(_keep_step, upload, mapping, made)
                await take_mapping(self._site, upload, inspection, made)
                self._site.audit(request, "ruled", upload.name)
        if faults:
            return await self._show(request, upload, fields, faults=tuple(faults))
        back = "fix" if fields.get("back") == "fix" else "rules"
        return RedirectResponse(f"/uploads/{upload.id}/{back}", 303)

    def _changed(self, mapping: Mapping, fields: dict[str, str]) -> tuple[Mapping, list[str]]:
        """The mapping as a form wants it, and why it cannot be so."""
        for name, by in (("remove", 0), ("up", -1), ("down", 1)):
            if fields.get(name, "").isdecimal():
                # A page that shows other rules means another one.
                same = fields.get("seen") == _seen(mapping)
                return (moved(mapping, int(fields[name][:6]), by) if same else mapping), []
        if "apply" in fields:
            chosen = [text for name, text in fields.items() if name.startswith("choose-")]
            made, faults = with_offers(mapping, chosen if fields["apply"] == "chosen" else [fields["apply"]])
            return made, [self._site.t("rules.fault", fault=fault) for fault in faults]
        kind = fields.get("kind", "") if fields.get("add") == "own" else fields.get("add", "")
        made, fault = with_rule(mapping, rule_from(_with_code(fields), kind))
        return made, [self._site.t("rules.fault", fault=fault)] if fault else []

    async def _preview(self, request: Request, upload: Upload, fields: dict[str, str]) -> Response:
        rule = rule_from(_with_code(fields), fields.get("kind", ""))

        def counted() -> Preview:
            with closing(ProblemRows(upload.own_folder)) as rows:
                return preview(rows, rule)

        try:
            return await self._show(request, upload, fields, found=await asyncio.to_thread(counted))
        except sqlite3.Error:
            return RedirectResponse(f"/uploads/{upload.id}/rules", 303)

    async def download(self, request: Request) -> Response:
        upload = self._site.upload_to_fix(request)
        path = upload.own_folder / "mapping.toml"
        if not upload.mapped or not path.is_file():
            raise RequestRefused(404, "refused.404")
        self._site.audit(request, "downloaded", f"mapping.toml ({upload.name})")
        return FileResponse(path, filename="mapping.toml", media_type="application/toml")


def _with_code(fields: dict[str, str]) -> dict[str, str]:
    """Problems are chosen from a list where a rule leaves rows out."""
    return {**fields, "texts": fields["code"]} if fields.get("kind") == "leave_out" and "code" in fields else fields


def _can(upload: Upload) -> tuple[bool, bool]:
    """Whether a step can be undone, and whether one can be done again."""
    with closing(EditStore(upload.own_folder)) as store:
        return store.can()


def _without_rules(mapping: Mapping) -> Mapping:
    return msgspec.structs.replace(mapping, rules=())


def _keep_step(upload: Upload, before: Mapping, after: Mapping) -> None:
    """So that the change can be undone, in its order among the edits."""
    with closing(EditStore(upload.own_folder)) as store:
        store.ruled(ruling_of(before), ruling_of(after))


def _seen(mapping: Mapping) -> str:
    return hashlib.sha256(msgspec.json.encode(mapping.rules)).hexdigest()[:16]
