"""In which language a column's months are: that of most of them; a stray word stays one."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.longer import longer_behind

from backfill.jobs.utc.formats import likely_in_words


@pytest.mark.parametrize(
    ("texts", "languages"),
    longer_behind(
        2,
        [
            (["May 2, 2026", "June 3, 2026", "Mai 4, 2026"], []),
            (["2 Oct 2026", "3 Dec 2026", "4 okt 2026"], []),
            (["2. Mai 2026", "3. Juni 2026", "4. März 2026", "5. April 2026"], ["de"]),
            (["2 Mai 2026", "3 Okt 2026", "4 Dez 2026", "5 May 2026"], ["de"]),
            (["2 janv. 2026", "3 févr. 2026", "4 avr. 2026"], ["fr"]),
        ],
    ),
)
def test_most_of_the_words_decide(texts: list[str], languages: list[str]) -> None:
    assert [language for _form, language in likely_in_words(pa.array(texts))] == languages
