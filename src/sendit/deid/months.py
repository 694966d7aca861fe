"""The names of the twelve months, in twenty languages, with their accents and without.

Which date a text means is the matter of ``dates_in_text``.
"""

from sendit.deid.alternatives import any_of
from sendit.deid.folding import squeeze

# Each line is one way to write the twelve months, so that a moved date keeps its language.
_FORMS = [
    line.split()
    for line in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "jan feb mar apr may june july aug sept oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jan feb mrz apr mai jun jul aug sep okt nov dez",
        "januar februar maerz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv févr mars avr mai juin juil août sept oct nov déc",
        "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago sep oct nov dic",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre"
        " dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "januari februari mars april maj juni juli augusti september oktober november december",
        "januar februar marts april maj juni juli august september oktober november december",
        "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada"
        " grudnia",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου"
        " οκτωβρίου νοεμβρίου δεκεμβρίου",
        "ocak şubat mart nisan mayis haziran temmuz ağustos eylül ekim kasim aralik",
        "ledna února března dubna května června července srpna září října listopadu prosince",
        "január február március április május június július augusztus szeptember október november"
        " december",
        "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie"
        " decembrie",
        "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta"
        " syyskuuta lokakuuta marraskuuta joulukuuta",
        "siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada studenoga"
        " prosinca",
        "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
        "jan fev mar abr mai jun jul ago set out nov dez",
        "jan feb mrt apr mei jun jul aug sep okt nov dec",
        "jan febr márc ápr máj jún júl aug szept okt nov dec",
        "sty lut mar kwi maj cze lip sie wrz paź lis gru",
        "oca şub mar nis may haz tem ağu eyl eki kas ara",
        "янв фев мар апр мая июн июл авг сен окт ноя дек",
    )
]
_ROMANS = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]
_FORMS += [[squeeze(name) for name in form] for form in _FORMS if form[0][0] < "я"]
MONTHS = {name: number for form in _FORMS for number, name in enumerate(form, 1)}
# Words of their own in a description: only with a day and a year are they months.
_AMBIGUOUS = (
    "mag set gen ago dic mart maj maja ocak aralik out mrt sty lut kwi cze lip sie wrz paz paź lis"
    " gru oca şub sub nis haz tem ağu agu eyl eki kas ara"
)
WORDS = frozenset(_AMBIGUOUS.split())

NAME = any_of(MONTHS)
SURE_NAME = any_of(MONTHS.keys() - WORDS)
LONG_NAME = any_of(name for name in MONTHS.keys() - WORDS if len(name) > 4)


def is_month(word: str) -> bool:
    """Return whether a word names a month in one of the languages read here."""
    return plain(word) in MONTHS


def plain(name: str) -> str:
    """Return a month's name in small letters; a Turkish i, with a dot or without, is an i."""
    return name.casefold().replace("ı", "i").replace("\u0307", "")


def number_of(name: str) -> int:
    """Return which month a name or a Roman numeral is, from 1."""
    folded = plain(name)
    return _ROMANS.index(folded) + 1 if folded in _ROMANS else MONTHS[folded]


def month_name(old: str, month: int) -> str:
    """Return the name of a month as the old one is written: its language, its capitals."""
    folded = plain(old)
    form = next(form for form in (*_FORMS, _ROMANS) if folded in form)
    name = form[month - 1]
    if old.isupper():
        return name.upper()
    return name.capitalize() if old[0].isupper() else name
