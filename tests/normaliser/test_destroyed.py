"""Destroyed text is recognised, and good text of many languages is not taken for it."""

from __future__ import annotations

import pytest

from importer.errors import SourceError
from importer.normaliser.destroyed import destroyed
from importer.normaliser.mapping import ColumnUse, Mapping, propose
from importer.normaliser.normaliser import Normaliser
from tests.support.normalising import block_of

ERRORS = (
    "#REF! #N/A #VALUE! #DIV/0! #NAME? #NUM! #NULL! #SPILL! #CALC! #GETTING_DATA #ERROR! Err:502 #BEZUG! #NV "
    "#WERT! #ZAHL! #VALEUR! #NOM? #¡REF! #¡VALOR! #¿NOMBRE? #N/D #NÚM! #RIF! #VALORE! #WAARDE! #VÄRDEFEL! "
    "#ARVO! #ADR! #HODNOTA! #ÉRTÉK! #DEĞER! #ЗНАЧ! #Н/Д #ref! #n/a Fehler:504 ### ########"
)
GARBLED = (
    "MÃ¼nchen SÃ£oPaulo MÃƒÂ¼nchen CafÃ© Itâ€™s â‚¬5 РњРѕСЃРєРІР° РњСЋРЅС…РµРЅ M├╝nchen Caf├® M√ºnchen "
    "MГјnchen MĂĽnchen ÐœÐ¾ÑÐºÐ²Ð° Ø§Ù„Ø±ÙŠØ§Ø¶ ط§ظ„ط±ظٹط§ط¶ Î‘Î¸Î®Î½Î± Ξ‘ΞΈΞ®Ξ½Ξ± åŒ—äº¬ KrakÃ³w "
    "ÄŒeskÃ½ GrÃ¶ÃŸe Ä°stanbul Viá»‡t naГЇve"
)
GOOD = (
    "SÃO|SÃO PAULO|JOÃO|Âge|ÂGE|Â|Ã|IRMÃ|Việt Nam|ĐÀ NẴNG|HỒ CHÍ MINH|PĂŞUNE|MĂŞTI|FĂRĂ|Ні|Ні, ні|РІК|ЇЖАК|"
    "спичка|ЯЛТА|CRÈME™|Café®|CAFÉ…|RENÉ’S|10 °C|№ 5|√2|m²|½|€ 5|#WOW!|#1|#fashion|# 5|##|C#|What?|N/A|Err|"
    "Err: 12|茂茂|联通|T恤|A股|北京市|한국어|東京都|สวัสดี|Θεσσαλονίκη|ΆΓΙΟΣ|Þór|ÞÓRÐUR|ÇÖÜ|ÍÑIGO|ŁÓDŹ|ŽIŽKA|ŢARĂ|"
    "Straße|øl|Ўзбек|Ђорђе|«Ёлка»|שלום|الرياض|हिन्दी|Paral·lel|O’Neill|L’ÂGE|Zoë|naïve|İstanbul|IĞDIR|Ångström|Œuvre|😀|"
    "❤️ red"
)


@pytest.mark.parametrize("text", ERRORS.split())
def test_an_error_of_a_spreadsheet_program_is_recognised(text: str) -> None:
    """In the languages of the programs, also with white space around it."""
    assert destroyed(text) == destroyed(f" {text} ") == "error_cell"


@pytest.mark.parametrize("text", ["???", "?", "??? ??", "?????, ??", "(???)", "M�nchen"])
def test_lost_letters_are_recognised(text: str) -> None:
    """A program writes ? or � for each letter that its encoding does not have."""
    assert destroyed(text) == "lost_letters"


@pytest.mark.parametrize("text", [*GARBLED.split(), "O\x92Neill", "Caf\x85"])
def test_text_of_a_wrong_encoding_is_recognised(text: str) -> None:
    """UTF-8 read in an encoding of Windows, DOS or a Mac, once or twice, and controls of Windows' marks."""
    assert destroyed(text) == "garbled_letters"


@pytest.mark.parametrize("text", GOOD.split("|"))
def test_good_text_is_left_alone(text: str) -> None:
    """Words with rare letters, capitals, marks and question marks pass."""
    assert destroyed(text) == destroyed(f"blue {text} red") == ""


def test_no_destroyed_cell_is_sent() -> None:
    """In identifiers, stores, preferences and items of lists the row is rejected with the cause and the column."""
    mapping = Mapping(
        (
            ColumnUse("id", "external_id"),
            ColumnUse("store", "store.code"),
            ColumnUse("Colour", "preference", "Colour"),
            ColumnUse("Brands", "preference", "Brands", is_list=True),
        )
    )
    cells = {
        "id": ["C-1", "MÃ¼ller-1", "#REF!", "C-4", "C-5", "C-6", "Ünal-7"],
        "store": ["S1", "S1", "S1", "????", "S1", "S1", "Köln"],
        "Colour": ["Grün", "Blue", "Blue", "Blue", "####", "Blue", "Blue"],
        "Brands": ["a;b", "a", "a", "a", "a", "a; CafÃ©", "a; Café"],
    }
    made = Normaliser(mapping)(block_of(tuple(cells), list(zip(*cells.values(), strict=True))))
    assert [(p.row_number, p.column, p.code) for p in made.problems] == [
        (3, "id", "garbled_letters"),
        (4, "id", "error_cell"),
        (5, "store", "lost_letters"),
        (6, "Colour", "error_cell"),
        (7, "Brands", "garbled_letters"),
    ]
    assert [customer.row_number for customer in made.customers] == [2, 8]


def test_a_destroyed_preference_name_is_not_sent() -> None:
    """In a long sheet it costs the row; as the name of a column that becomes a preference it costs the sheet."""
    mapping = Mapping(
        (ColumnUse("id", "external_id"), ColumnUse("n", "preference_name"), ColumnUse("v", "preference_value"))
    )
    made = Normaliser(mapping)(block_of(("id", "n", "v"), [("1", "GrÃ¶ÃŸe", "L"), ("2", "Größe", "L")]))
    assert [(p.row_number, p.column, p.code) for p in made.problems] == [(2, "n", "garbled_letters")]
    for name in ("GrÃ¶ÃŸe", "???", "#REF!", "Gr\x94\x95"):
        with pytest.raises(SourceError):
            propose(["external_id", name])
    assert propose(["external_id", "Größe"]).preferences
