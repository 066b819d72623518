"""Tables of plain text: columns line up, no word is lost, and long titles do not make the table wide."""

import pytest

from neural_lagrangian.identification.plain_text import MAX_WIDTH, aligned

LONG = "rigid chain of 3 bodies, linear friction at every joint, dry friction at a and b, without c_12 and g_3"
TABLES = {
    "short": [["candidate", "constants"], ["spring", "1"], ["pendulum", "12"]],
    "a long title": [["candidate", "constants", "error"], [LONG, "12", "1.03"], ["spring", "3", "1"], [LONG, "9", "2"]],
    "a word that is too long": [["candidate", "constants"], ["x" * 100, "12"]],
    "an empty cell": [["", "constants"], ["", ""]],
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_line_up_and_no_word_is_lost(name):
    rows, lines = TABLES[name], aligned(TABLES[name]).splitlines()
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[1:]]
    behind = sum(widths) + 2 * len(widths)
    wide = max(map(len, lines)) - behind
    assert wide <= MAX_WIDTH
    titles, numbers = [], []
    for line in lines:
        if len(line) == wide + behind:  # the numbers end below each other
            titles.append(line[:wide].strip())
            numbers.append(line[wide:].split())
        else:
            titles[-1] += line.strip()
    assert [title.replace(" ", "") for title in titles] == [row[0].replace(" ", "") for row in rows]
    assert numbers == [[cell for cell in row[1:] if cell] for row in rows]
