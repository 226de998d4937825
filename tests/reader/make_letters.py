"""Write `importer/reader/letter_pairs.txt`, how often languages use their letters beyond ASCII.

    pip install faker babel
    python -m tests.reader.make_letters

The words are names, places and words of Faker, the names of countries, languages and currencies of the CLDR, and WORDS.
Only counts of pairs and letters are kept, as costs: rounded negative logarithms.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

TARGET = Path(__file__).parents[2] / "importer" / "reader" / "letter_pairs.txt"

#: Language → (locale of the CLDR, locales of Faker).
LATIN = {
    "de": ("de", "de_DE de_AT"), "fr": ("fr", "fr_FR fr_CA"), "es": ("es", "es_ES es_MX"), "pt": ("pt", "pt_BR pt_PT"),
    "it": ("it", "it_IT"), "nl": ("nl", "nl_NL"), "sv": ("sv", "sv_SE"), "da": ("da", "da_DK"), "no": ("nb", "no_NO"),
    "fi": ("fi", "fi_FI"), "pl": ("pl", "pl_PL"), "cs": ("cs", "cs_CZ"), "sk": ("sk", "sk_SK"), "hu": ("hu", "hu_HU"),
    "ro": ("ro", "ro_RO"), "hr": ("hr", "hr_HR"), "sl": ("sl", "sl_SI"), "tr": ("tr", "tr_TR"), "lt": ("lt", "lt_LT"),
    "lv": ("lv", "lv_LV"), "et": ("et", "et_EE"), "vi": ("vi", "vi_VN"), "ga": ("ga", "ga_IE"), "ca": ("ca", "es_CA"),
    "is": ("is", ""),
}  # fmt: skip
OTHER_SCRIPTS = {
    "ru": ("ru", "ru_RU"), "uk": ("uk", "uk_UA"), "bg": ("bg", "bg_BG"), "el": ("el", "el_GR"), "he": ("he", "he_IL"),
    "ar": ("ar", "ar_SA ar_EG"), "fa": ("fa", "fa_IR"), "th": ("th", "th_TH"),
}  # fmt: skip
EAST_ASIAN = {"zh": ("zh", "zh_CN"), "tw": ("zh_TW", "zh_TW"), "ja": ("ja", "ja_JP"), "ko": ("ko", "ko_KR")}
PROVIDERS = [
    *("city", "first_name", "last_name", "street_name", "administrative_unit", "state", "country", "job", "company"),
    *("color_name", "catch_phrase", "region", "department_name", "city_name", "word"),
]
#: Western names and words that are written in sheets of other languages too.
WORDS = """
naïve café résumé Zoë Chloë Renée Beyoncé façade jalapeño piñata über Häagen Nestlé Oréal Citroën Škoda crème brûlée
fiancée déjà cliché Brontë Noël señor sauté entrée purée décor São Düsseldorf Curaçao André José Siân Seán Zürich Köln
Malmö Århus Bjørn Søren Genève Goiânia Tromsø Eugène Hélène Irène Loïs Anaïs Thaïs Joël Raphaël Gaël Maël Chloé Zoé
Gisèle Adèle Michèle Danièle Solène Ève Élise Gonçalo Gonçalves Conceição Assunção Antônio Cândido Ângela Câmara
Mônica Verônica Mário Lúcia Patrícia Nuñez Muñoz Peña Ibáñez Fernández González Sánchez López Pérez Gómez Rodríguez
Martínez Jiménez Gutiérrez Álvarez Óscar Íñigo Jürgen Günter Jörg Björn Käthe Größe Grüße Weiß Strauß Straße Groß
Jäger Schäfer Schröder Schön Böhm König Krüger Kühn Münster Nürnberg Saarbrücken Göteborg Linköping Västerås Örebro
Umeå Ørsted Sørensen Jørgensen Nørgaard Søndergaard Håkon Pål Ålesund Bodø Gjøvik Hämeenlinna Seinäjoki Yrjö Cádiz
León Córdoba Mérida Querétaro Asunción Belém Luís João Paraná Niterói Vitória Maceió Cuiabá Águas Évora Guimarães
Santarém Setúbal Perú Panamá Cancún Culiacán Mazatlán Œuvre œuvre cœur sœur bœuf Þór Þóra Þórður Sigurður Guðrún Björk
Jón Ólafur Hafnarfjörður Kópavogur Garðabær
"""


def words_of(locale: str, fakers: str) -> Iterator[str]:
    """Words of a language, some with spaces."""
    for name in fakers.split():
        faker = import_module("faker").Faker(name)
        faker.seed_instance(1)
        for provider in PROVIDERS:
            for _ in range(400):
                try:
                    yield str(getattr(faker, provider)())
                except AttributeError:
                    break
    names = import_module("babel").Locale.parse(locale, sep="_")
    for table in (names.territories, names.languages, names.currencies, names.months["format"]["wide"]):
        yield from table.values()


def parts_of(words: Iterator[str]) -> set[str]:
    """The different words with letters beyond ASCII, in lower case."""
    parts: set[str] = set()
    for word in words:
        text = unicodedata.normalize("NFC", word).lower().replace("ș", "ş").replace("ț", "ţ")
        spaced = "".join([c if unicodedata.category(c)[0] in "LM" else " " for c in text])
        parts.update(part for part in spaced.split() if not part.isascii() and "ã£" not in part)
    return parts


def line_of(kind: str, language: str, parts: set[str]) -> str:
    """A line of the file: after the kind and the language, each cost (2 to 9) with its pairs or letters."""
    counts: Counter[str] = Counter()
    for part in sorted(parts):
        text = f" {part} "
        if kind == "pairs":
            counts.update(pair for pair in map("".join, pairwise(text)) if not pair.isascii())
        else:
            counts.update(letter for letter in part if letter > "\x7f")
    total = sum(counts.values())
    classes: dict[int, list[str]] = defaultdict(list)
    for item, count in counts.items():
        rare = count == 1 if kind == "letters" else count < 4 or "\u3041" <= item <= "\u30ff"
        if kind == "pairs" or not rare:
            classes[min(9, max(2, round(-math.log(count / total))))].append(item)
    groups = [f"{cost}{('|' if kind == 'pairs' else '').join(sorted(classes[cost]))}" for cost in sorted(classes)]
    return "\t".join([kind, language, *groups])


def main() -> None:
    """Write the file again."""
    kinds = (("pairs", LATIN), ("letters", OTHER_SCRIPTS), ("characters", EAST_ASIAN))
    lines = [
        line_of(kind, language, parts_of(words_of(*locales)))
        for kind, languages in kinds
        for language, locales in languages.items()
    ]
    lines.append(line_of("pairs", "names", parts_of(iter(WORDS.split()))))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
