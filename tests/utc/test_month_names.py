"""Every month of every language, as people write it: whole, in capitals, as the case demands."""

from __future__ import annotations

import pyarrow as pa
import pytest

from backfill.utc.month_names import ENGLISH, LANGUAGES, in_english
from backfill.utc.wall import spelt_in_english

WHOLE = {
    "cs": "leden únor březen duben květen červen červenec srpen září říjen listopad prosinec",
    "cs of a date": "ledna února března dubna května června července srpna září října listopadu"
    " prosince",
    "da": "januar februar marts april maj juni juli august september oktober november december",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre"
    " diciembre",
    "fi": "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu"
    " marraskuu joulukuu",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre"
    " dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "no": "januar februar mars april mai juni juli august september oktober november desember",
    "pl": "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad"
    " grudzień",
    "pl of a date": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września"
    " października listopada grudnia",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro"
    " dezembro",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
}


def test_every_language_is_looked_at() -> None:
    assert {name[:2] for name in WHOLE} == set(LANGUAGES)


@pytest.mark.parametrize("name", WHOLE)
def test_each_month_is_known_in_one_value_and_in_a_column(name: str) -> None:
    language, months = name[:2], WHOLE[name].split()
    texts = [f"7 {month} 2026" for month in (*months, *(month.upper() for month in months))]

    column = spelt_in_english(pa.array(texts), language).to_pylist()

    assert column == [f"7 {english} 2026" for english in ENGLISH * 2]
    assert [in_english(text, language) for text in texts] == column
