"""Header names that feed the API's fields, by language, as data. Compared in the folded form of `fold`."""

from __future__ import annotations

import re
import unicodedata

#: field → language → names, separated by commas. Only unambiguous names: a wrong guess would change the preferences
#: of another customer.
SYNONYMS: dict[str, dict[str, str]] = {
    "mobile": {
        "en": (
            "mobile, mobile no, mobile number, mobile num, mobile nr, mobile phone, mobile phone no, "
            "mobile phone number, mob, mob no, mob number, phone, phone no, phone number, phone num, "
            "cell, cell no, cell number, cell phone, cell phone number, contact no, contact number, "
            "contact mobile, customer mobile, customer mobile no, customer mobile number, "
            "customer phone, customer phone number, member mobile, primary mobile, primary phone, "
            "registered mobile, registered mobile no, registered mobile number, telephone, "
            "telephone no, telephone number, tel, tel no, msisdn, handphone, handphone no, hp no, "
            "whatsapp no, whatsapp number"
        ),
        "hi": ("मोबाइल, मोबाइल नंबर, मोबाइल नं, मोबाइल संख्या, मोबाइल फोन, फोन, फोन नंबर, फोन नं, दूरभाष, संपर्क नंबर"),
        "ar": (
            "جوال, الجوال, رقم الجوال, رقم جوال, الهاتف, هاتف, رقم الهاتف, الهاتف المحمول, "
            "رقم الهاتف المحمول, الموبايل, موبايل, رقم الموبايل, الهاتف المتحرك, رقم المحمول"
        ),
        "th": (
            "มือถือ, เบอร์มือถือ, เบอร์โทร, เบอร์โทรศัพท์, เบอร์โทรศัพท์มือถือ, หมายเลขโทรศัพท์, "
            "หมายเลขโทรศัพท์มือถือ, โทรศัพท์, โทรศัพท์มือถือ, เบอร์ติดต่อ"
        ),
        "id": (
            "nomor hp, no hp, nomor telepon, no telepon, no telp, nomor telp, telepon, nomor ponsel, "
            "no ponsel, ponsel, nomor handphone, no handphone, nomor wa, no wa"
        ),
        "es": (
            "móvil, número de móvil, numero movil, teléfono, teléfono móvil, número de teléfono, "
            "nro de teléfono, nº de teléfono, nº de móvil, celular, número de celular, numero celular, teléfono celular"
        ),
    },
    "email": {
        "en": (
            "email, e mail, email id, e mail id, mail, mail id, email address, e mail address, "
            "mail address, email add, customer email, customer email id, customer email address, "
            "member email, primary email, contact email, registered email"
        ),
        "hi": "ईमेल, ई मेल, ईमेल आईडी, ई मेल आईडी, ईमेल पता, ई मेल पता",
        "ar": ("البريد الإلكتروني, بريد إلكتروني, البريد الالكتروني, الإيميل, ايميل, عنوان البريد الإلكتروني"),
        "th": "อีเมล, อีเมล์, ที่อยู่อีเมล, เมล",
        "id": "surel, alamat email, alamat surel, email pelanggan",
        "es": ("correo, correo electrónico, dirección de correo, dirección de correo electrónico, e mail cliente"),
    },
    "external_id": {
        "en": (
            "external id, externalid, ext id, external customer id, customer id, cust id, customerid, "
            "customer no, customer number, customer code, cust code, cust no, client id, client code, "
            "client number, member id, member no, member number, member code, membership id, "
            "membership no, membership number, loyalty id, loyalty number, crm id, crm number"
        ),
        "hi": "ग्राहक आईडी, ग्राहक संख्या, ग्राहक क्रमांक, ग्राहक कोड, सदस्य आईडी, सदस्य संख्या",
        "ar": "رقم العميل, معرف العميل, كود العميل, رمز العميل, رقم العضوية, المعرف الخارجي",
        "th": "รหัสลูกค้า, หมายเลขลูกค้า, เลขที่ลูกค้า, รหัสสมาชิก, หมายเลขสมาชิก, เลขสมาชิก",
        "id": (
            "id pelanggan, kode pelanggan, nomor pelanggan, no pelanggan, id member, nomor member, "
            "no member, id anggota, nomor anggota"
        ),
        "es": (
            "id de cliente, id cliente, código de cliente, codigo cliente, número de cliente, "
            "numero cliente, id externo, número de socio, id de socio"
        ),
    },
    "user_id": {
        "en": ("user id, userid, capillary id, capillary user id, capillary customer id, intouch id, intouch user id"),
        "hi": "उपयोगकर्ता आईडी, यूजर आईडी",
        "ar": "معرف المستخدم, رقم المستخدم",
        "th": "รหัสผู้ใช้, ไอดีผู้ใช้",
        "id": "id pengguna",
        "es": "id de usuario, id usuario",
    },
    "store.code": {
        "en": "store code, storecode, outlet code, branch code, shop code, store no, store number",
        "hi": "स्टोर कोड, दुकान कोड, शाखा कोड",
        "ar": "رمز المتجر, كود المتجر, رمز الفرع, كود الفرع, رقم الفرع",
        "th": "รหัสร้าน, รหัสสาขา, รหัสร้านค้า",
        "id": "kode toko, kode gerai, kode cabang, kode outlet",
        "es": "código de tienda, codigo tienda, código de sucursal, codigo sucursal",
    },
    "store.id": {
        "en": "store id, storeid, outlet id, branch id, shop id",
        "hi": "स्टोर आईडी, दुकान आईडी, शाखा आईडी",
        "ar": "معرف المتجر, معرف الفرع",
        "th": "ไอดีร้าน, ไอดีสาขา",
        "id": "id toko, id gerai, id cabang, id outlet",
        "es": "id de tienda, id tienda, id de sucursal, id sucursal",
    },
    "preference_name": {
        "en": (
            "preference, preference name, preference field, field name, field, custom field, "
            "custom field name, attribute, attribute name"
        ),
        "hi": "वरीयता, वरीयता का नाम, पसंद, फ़ील्ड, फ़ील्ड नाम",
        "ar": "التفضيل, اسم التفضيل, الحقل, اسم الحقل",
        "th": "ความชอบ, ชื่อความชอบ, ฟิลด์, ชื่อฟิลด์",
        "id": "preferensi, nama preferensi, nama kolom, nama field",
        "es": (
            "preferencia, nombre de preferencia, nombre de la preferencia, campo, nombre del campo, nombre de campo"
        ),
    },
    "preference_value": {
        "en": "value, preference value, field value, custom field value, attribute value, new value",
        "hi": "मान, वरीयता मान, मूल्य",
        "ar": "القيمة, قيمة, قيمة التفضيل, قيمة الحقل",
        "th": "ค่า, ค่าความชอบ",
        "id": "nilai, nilai preferensi, isi",
        "es": "valor, valor de preferencia, valor de la preferencia, valor del campo",
    },
}

_NUMBER_SIGN = re.compile(r"[#№º]")
#: Optional marks: Latin accents, Arabic vowels, the Devanagari nukta.
_OPTIONAL_MARKS = re.compile("[\u0300-\u036f\u064b-\u065f\u0670\u0640\u093c]")
_ARABIC = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه"})


def fold(name: str) -> str:
    """A header without case, spaces, punctuation, widths and accents."""
    text = _NUMBER_SIGN.sub(" ", name)
    text = unicodedata.normalize("NFKC", text).casefold().translate(_ARABIC)
    text = _OPTIONAL_MARKS.sub("", unicodedata.normalize("NFKD", text))
    text = unicodedata.normalize("NFC", text)
    # Other marks stay: in Thai and Devanagari they are vowels.
    return "".join([character for character in text if unicodedata.category(character)[0] in "LNM"])


def visible(name: str) -> str:
    """A name without invisible characters."""
    if name.isascii():
        return name
    return "".join(
        character
        for at, character in enumerate(name)
        if unicodedata.category(character) != "Cf" or (character in _JOINERS and _joins(name[at - 1 : at + 2]))
    )


_JOINERS = "\u200c\u200d"


def _joins(text: str) -> bool:
    """Whether a joiner stands inside a word that is not Latin, as in Persian and Indic ones, or inside an emoji."""
    return len(text) == 3 and not any(
        c.isascii() or unicodedata.category(c)[0] not in "LMS" for c in (text[0], text[2])
    )


def likeness(name: str) -> str:
    """A name without case, white space and invisible characters: equal for names that people cannot distinguish."""
    text = "".join([c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf"])
    return "".join(text.casefold().split())


#: folded name → field.
FIELD_BY_NAME: dict[str, str] = {
    fold(name): field
    for field, languages in SYNONYMS.items()
    for names in languages.values()
    for name in names.split(",")
}


#: Remarks in brackets about how to fill in a column. They do not change its meaning.
_REMARK = re.compile(
    r"[(\[]\s*(?:required|mandatory|optional|primary|(?:with|without|incl\.?|including) country code"
    r"|\d+[ -]?digits?(?: only)?|digits only|numbers only|text)\s*[)\]]",
    re.IGNORECASE,
)


def field_of(column: str) -> str:
    """The field that this header names, "" if none."""
    return FIELD_BY_NAME.get(fold(_REMARK.sub(" ", column)), "")


def near_field(column: str) -> str:
    """The field whose name this header misspells by one or two letters, "" if none. For suggestions only."""
    folded = fold(column)
    letters = set(folded)
    best = ("", 3)
    for name, field in FIELD_BY_NAME.items():
        if not field.startswith("preference") and len(name) >= 5 and not _digits_differ(folded, name):
            limit = 1 if len(name) < 8 else 2
            if len(letters.symmetric_difference(name)) > 2 * limit:
                continue
            apart = distance(folded, name, limit)
            if apart <= limit and apart < best[1]:
                best = (field, apart)
    return best[0]


def _digits_differ(one: str, other: str) -> bool:
    return [character for character in one if character.isdigit()] != [c for c in other if c.isdigit()]


def distance(one: str, other: str, limit: int) -> int:
    """Letters to insert, drop, change or swap with their neighbour; `limit + 1` means more than `limit`."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    current = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        before, previous, current = current, before, [row]
        for column, right in enumerate(other, 1):
            cost = min(before[column] + 1, current[column - 1] + 1, before[column - 1] + (left != right))
            if row > 1 and column > 1 and left == other[column - 2] and one[row - 2] == right:
                cost = min(cost, previous[column - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
    return current[-1]
