"""Every threshold of the reader in one table: its name, its unit, its value, and why.

Lengths are told in the height of a letter or of a line, so that no size of a screen matters. Where
a value belongs to the one above, its reason goes on. Names, words and towns are data, in the
`.toml` files beside this module; bytes, batches and seconds stand where they are kept.
"""

from __future__ import annotations

from typing import NewType

Letters = NewType("Letters", float)  # of a letter's height, `Ink.letter_px`
Lines = NewType("Lines", float)  # of the height of a line of words, or of a word
Share = NewType("Share", float)  # 0…1 of what is told
Times = NewType("Times", float)  # so many times another of its kind
Levels = NewType("Levels", int)  # of brightness, contrast or chroma, 0…255
Px = NewType("Px", int)  # pixels of the image as it is read, at most 1080 across a phone
Confidence = NewType("Confidence", float)  # 0…100, as Tesseract tells it
Likeness = NewType("Likeness", float)  # 0…1 of two texts, see `likeness`
Count = NewType("Count", int)  # a number of things, or a factor
Minutes = NewType("Minutes", int)  # of an hour
Days = NewType("Days", int)  # of a calendar

# — Pixels —
WORKING_PX = Px(1080)  # More across a phone's screen gains nothing and costs time.
WORKING_PX_TABLET = Px(1680)  # A tablet shows smaller letters on as many.
SMALL_PICTURE = Px(720)  # A picture that a messenger made small is no wider than this:
SMALL_LETTERS = Px(14)  # letters that are lower are read better
ENLARGE = Times(2.0)  # when they are so many times as large.
# Of lower ones, made so large, no ring is told from a roof, no b from an 8: of 380 sessions 13 were
# wrong without a word, of 430 with higher letters none.
TOLD_LETTERS = Px(20)
SMALLEST_PX = Px(64)  # Nothing smaller holds a card.
INK_CONTRAST = Levels(40)  # From here on a pixel is ink; divider rules lie below or just above.
BACKGROUND_SHRINK = Count(4)  # The background is looked for so many times smaller …
BACKGROUND_KERNEL = Px(17)  # … as the median of a square so wide.
EDGE_PX = Px(4)  # A JPEG smears the edge of a colour over so many rows.
CHIP_RIM = Letters(0.25)  # So far in from a chip's edge nothing is written.

# — Header, tab bar, rules and bars —
HEADER_MIN = Share(0.04)  # Of the image's height: where a header may end,
HEADER_MAX = Share(0.24)  # from … to;
TAB_MIN = Share(0.86)  # where the tab bar may begin.
FRAMED_TALL = Share(0.6)  # A screen in a frame is so tall, of the image,
FRAMED_EVEN = Share(0.9)  # and at its sides of another colour on so many of its rows.
SAME_COLOUR = Levels(7)
SMEARED_ROWS = Px(12)  # Below these rows a header's edge, however smeared, has ended.
RULE_CONTRAST = Levels(3)  # A faint rule lies so far off its background …
RULE_SHARE = Share(0.6)  # … over so much of a row.
EVEN = Levels(10)  # Within this a row is of one colour.
BAR_CHROMA = Levels(50)  # A card's bar is so colourful, and taller than letters.
CARD_BAR_TALL = Letters(2.5)
BAR_END = Share(0.1)  # Of the bar's height: so near to its end it may touch a rule.
COLON_DOT = Share(0.3)  # Of a run's height: the dots of a colon are no larger.
TWO_COLUMNS = Share(0.64)  # Width by height: a wider screen is a tablet's, or lies on its side.
HEADER_RULE = Letters(0.3)  # The rule below a header without a colour is no thicker.
AT_RIM = Letters(0.3)  # No screen writes so near to its left or right edge: what does is cut,
NEAR_RIM = Letters(1.2)  # and then also what begins or ends as far from it as this.
NEAR_TOP = Letters(3.0)  # Nearer to an edge, without a rule between, a card may be cut.
NEAR_BOTTOM = Letters(7.0)
STATUS_SHARE = Share(0.08)  # Of the image's height: the status bar,
STRIP_SHARE = Share(0.3)  # the strip of the week below it,
STRIP_SPREAD = Share(0.45)  # and of the width: how far that reaches.
FEWEST_DAYS = Count(4)  # Of a week's seven; the day that is marked, or two more, may be unread.
SAME_LINE = Lines(0.6)  # Days of the strip stand as level,
SAME_COLUMN = Lines(0.4)  # and numbers as far below their names.
CUT_LINE = Letters(1.7)  # The line of a heading that the header cuts begins within this.
HEADING = Letters(1.5)  # A heading is so tall at least,
HEADING_LETTERS = Count(6)  # and so long.
BLANK_ABOVE = Letters(0.4)  # Above a whole line the sheet is blank for this much.
TOUCHING = Letters(0.25)  # So near to the header a line stands that it cuts.

# — Pictures, chips, emoji —
THICKER_THAN_STROKES = Letters(1.25)  # No stroke of a letter is as thick.
TILE = Letters(0.4), Letters(0.9)  # Thicker than strokes, and than the ways of a map;
TILE_RIM = Share(0.1)  # so much of its rim at least is of another colour than most of it.
TALLEST_PICTURE = Letters(6.0)  # No portrait is larger,
TALLEST_BUTTON = Letters(9.0)  # and no round or square button, …
BUTTON_PIECES = Count(4)  # … which has one sign on it, of so few pieces …
BUTTON_MIDDLE = Share(0.3)  # … so near to its middle, of its width.
PICTURE_MARGIN = Letters(0.3)
PICTURE_CONTRAST = Levels(25)  # What is dark is told from the sheet by brightness,
PALE_CONTRAST = Levels(9)  # a pale disc by any of its colours …
# … off the usual one of so wide a neighbourhood, of which discs are less,
PALE_AROUND = Letters(7.0)
PALE_SHRINK = Count(4)  # looked at so many times smaller.
RARE = Share(0.03)  # Of all pixels: a brightness that fewer have is nobody's background.
CHROMA = Levels(70)  # A touch of colours is an emoji,
THICK_COLOUR = Letters(0.5)  # thicker than the strokes of coloured text.
# A disc is no part of a shape so many times wider: letters cut chips into discs.
APART_WIDE = Times(1.6)
APART = Levels(12)  # The cards are further from the sheet's brightness,
CARDS_SHARE = Share(0.08)  # and have so many of all pixels.
FRAME_EDGE = Share(0.94)  # A sign that the font lacks is a frame: so much of its edges is ink,
FRAME_INSIDE = Share(0.12)  # so little inside,
FRAME_TALL = Letters(0.75)  # and it is as tall as a letter.
BOX_EDGE = Share(0.8)  # A box to be ticked has round corners, is taller than a capital,
BOX_TALL = Letters(1.5)
BOX_WIDE = Times(0.87), Times(1.15)  # and about as wide as tall.
DISC_CORE = Share(0.8)  # Of a disc, within this of its radius,
DISC_DARK = Share(0.6)  # all is as dark, of the darkest: less than half is in what fills an o.
ROUND_FULL = Share(0.68), Share(0.88)  # A disc fills so much of its box, a square more.
CHIP_WIDE = Letters(2.0), Letters(60.0)  # A chip or bar with words on it, from … to.
CHIP_LETTERS = Count(2)  # Its letters are holes in it, so many at least,
CHIP_LETTER_TALL = Letters(0.35)  # of this height.
CHIP_TALL = Letters(1.1), Letters(4.0)
BLOCK_TALL = Letters(150.0)  # So tall at most is a block of a calendar: its text is near its edge.
CHIP_FULL = Share(0.3)  # Of its box: ink,
CHIP_ROW = Share(0.8)  # and of a row above or below its words.
CHIP_SOLID_TALL = Letters(1.5)  # A chip in one colour,
CHIP_SOLID = Share(0.65)  # of its box,
CHIP_ROWS = Share(0.7)  # of its height.

# — Runs of text —
GAP_OF_WORDS = Letters(1.25)  # A blank between two words of a run is no wider.
SMALL_PIECE = Letters(0.55)  # Dots, commas, hyphens are smaller than letters.
SMALL_REACH = Letters(0.55)  # So far above or below a run they may lie.
LARGEST_BULLET = Letters(0.86)
TALLEST_PIECE = Letters(3.6)
FAINTEST = Share(0.24)  # Of the contrast of the darkest text: less is no text.
ICON_LETTERS = Count(9)  # A duration ("3h 15m") behind a clock has no more letters and dots.
LONGEST_LETTER = Letters(8.0)  # Letters that touch are one piece no wider,
LONGEST_WORD = Letters(16.0)  # and solid ones no wider than this …
WORD_FULL = Share(0.25)  # … of whose box so much is ink.
# Of its height: so far an icon reaches above and below the text beside; an O only by a pixel,
ICON_REACH = Share(0.12), Share(0.05)
ICON_WIDE = Times(0.5), Times(1.6)  # so wide it is, no bracket,
LETTER_OF_SIGN = Share(0.35)  # and what is so tall beside it is a letter.
LONGEST_STROKE = Letters(2.7)  # Wider and taller it is a picture, not a letter.
DISC_TALL = Letters(2.3)  # A portrait is larger than a heading's capitals,
DISC_WIDE = Share(0.75)  # of its height, rounder than a g,
DISC_FULL = Share(0.5)  # and of its box fuller.
OF_HEADING = Share(0.55)  # Of its height: letters beside it are so tall in a heading,
HEADING_BESIDE = Count(2)  # and so many, so many of its heights away at most.
HEADING_REACH = Times(2.0)
LARGE_LETTER = Letters(1.8)  # A heading's letters are larger than this.
TALLEST_HEADING = Letters(5.5)  # No heading has larger letters.
BAR_TALL = Letters(2.6)  # A card's bar is taller than letters,
BAR_FULL = Share(0.7)  # and of its box fuller.
ELLIPSIS_DOT = Letters(0.34)  # A dot of an ellipsis,
ELLIPSIS_FOOT = Letters(0.36)  # and how far above the line's foot its middle lies.
PADDING = Letters(0.45)  # Around a run as it is shown to the engine.
ROW_BLANK = Letters(0.7)
SAME_PICTURE = Levels(48)  # Two runs are the same picture when no spot of them differs by more.
FAINT = Share(0.8)  # Of the contrast of the darkest run: a fainter one is less squeezed.
SHORT = Letters(7.0)  # Times and house numbers are shorter.
LETTER_GAP = Letters(0.35)  # A wider blank is one between words.

# — Faint text —
# More is no noise where no ink is near: a JPEG's noise is near to ink.
FAINTEST_CONTRAST = Levels(9)
NEAR_INK_PX = Px(9)
FAINT_TALL = Letters(0.45), Letters(1.8)  # What may be a faint letter, from … to,
FAINT_LETTER_WIDE = Letters(1.7)
FAINT_BLANK = Letters(1.6)  # the blank to the next,
FAINT_LEVEL = Letters(0.45)  # how level they stand,
FAINT_LETTERS = Count(6)  # and how many make a line.
FAINT_SHARE = Share(0.36)  # Of the contrast of the darkest text: a run this faint …
FAINT_WIDE = Letters(3.0)  # … and so wide is faint text.
FAINT_CARD = Share(0.62)  # Of the darkest text: a card no word of which is darker is paler.

# — Confidence in what was read —
SURE = Confidence(85.0)  # From here on a word is believed without a second look.
# A house number (72 may be 12), or times beside a duration that was not read.
SURE_ALONE = Confidence(94.0)
# A house number with the ink's digits: of 882 at 80 to 94 none was wrong.
SURE_BY_INK = Confidence(88.0)
SURE_OF_TIME = Confidence(70.0)  # Digits of times that their own duration bears out.
SURE_NUMBER = Confidence(88.0)  # A number is believed without the large network,
NUMBER_WIDE = Letters(5.1)  # and no time or duration ("22h 45m") is wider.
AGREED = Confidence(95.0)  # What two readings that agree are worth,
SURE_OF_BETTER = Confidence(70.0)  # where one engine made both if it was so sure of one,
SURE_OF_WORSE = Confidence(40.0)  # and so sure of the other,
CONTESTED = Confidence(50.0)  # and the better of two that do not.
CONTRADICTED = Confidence(40.0)  # A word that its ink contradicts.
# A scrap without letters to Tesseract is a picture unless so many are heard.
FEWEST_LETTERS = Count(2)
LINE_PX = Px(48)  # The second network was trained on lines so high,
WIDTH_MIN_PX = Px(320)  # padded on the right to so wide at least.
WIDTH_MAX_PX = Px(2400)

# — The ink of a word —
NEAR_DIGITS = Letters(0.45)  # Digits of one number stand nearer to each other.
BESIDE_WORDS = Letters(0.45)  # Further from every word, ink was not read …
UNREAD_WIDE = Letters(0.5)  # … that is so wide in all.
TWO_DIGITS_WIDE = Share(0.88)  # Of their height: no digit is wider, two that touch are,
TWO_ONES_WIDE = Share(0.55)  # unless both are a 1.
LETTER_BEHIND_WIDE = Share(1.05)  # So is the letter behind a number, an A.
BLANK_WIDE = Letters(0.3)  # A blank in what was read as one word,
BLANK_MORE = Times(2.2)  # wider than the next,
LETTERS_OF_TWO = Count(5)  # of which so many letters are two words at least.
HALF_DARK = Share(0.5)  # Of a piece's darkest: the edge of a stroke, in whatever colours.
BAR_ROWS = Share(0.12)  # Of a piece's height: within this lies the bar of a 7,
FOOT_ROWS = Share(0.2)  # and the foot of a 1 or 7.
BAR_WIDE = Share(0.7)  # Of its width: the bar is so wide at least,
FOOT_WIDE = Share(0.75)  # the foot at most,
FOOT_MIDDLE = Share(0.57)  # and so far left.
SEVEN_WIDE = Share(0.3)  # Width of a 7, of its height; a 1 without a flag is narrower.
CORNER_TALL = Share(0.12)  # Of a piece: the corners on the left of a B or D,
CORNER_WIDE = Share(0.15)
CORNER_FULL = Share(0.55)  # and how much of them is ink.
SMALLEST_SHAPE_PX = Px(9)  # The shape of a lower piece is no longer to be seen.
DOTS_ABOVE = Share(0.4)  # Of a run's height: the dots of its i stand above this.

STRIKE_WIDE = Letters(3.0)  # A line through text is so long at least,
STRIKE_ROWS = Share(0.25), Share(0.8)  # from … to of the run's height,
STRIKE_THICK = Letters(0.3)  # and no thicker.
MARK_TALL = Letters(0.1)  # A dot or ring above a letter is so tall at least;
MARKED_TALL = Times(1.17)  # joined to its letter the two are so many times a capital.
CAPITAL_TALL = Times(0.88)  # No small a, o or u is so tall, of a capital.
UNMARKED_TALL = Times(1.14)  # What is no taller than letters without marks has none,
FEWEST_PLAIN = Count(2)  # of which there must be so many.
SMALLEST_MARK_PX = Px(3)  # The shape of a lower mark is no longer to be seen.
TALL_MARK = Times(1.5)  # Each of two strokes (ő) is so many times as tall as wide, no dot is.
WIDE_MARK = Times(1.7)  # No ring is so many times as wide as tall,
ROUND_MARK = Times(1.35)  # and no two dots that touch are narrower than this.
SLANTED = Share(0.5)  # No ring and no dot leans so much; an accent does,
NOT_SLANTED = Share(0.15)  # and not less than this.
AMID = Share(0.5)  # Two dots that touch are no darker amid, of their sides; a wave or a bar is.
LEANING_PX = Px(5)  # A dot of a lower size may lean by a pixel.
LEANING = Share(0.24)  # Two dots never lean so much, together or each, as two strokes do.
OFF_MIDDLE = Share(0.33)  # Of two dots' width: what is between them, less so much on both sides;
ARCH = Share(0.42)  # of the letter below: within this is the arch of an a or o, and none of a u,
ARCH_DARK = Share(0.55)  # as dark as this at least, of the letter; of 400 none was below 0.68.
TALLER_PX = Px(2)  # One pixel more is none.
MARK_REACH = Share(0.4)  # Of a letter: so far above it its mark may stand,
BLANK_SHARE = Share(0.25)  # and this much of its contrast is something there.
HANGS = Share(0.12)  # Of its height: what reaches so far below the line has a hook there.
ONE_LETTER_WIDE = Share(1.05)  # Of its height: a first letter is no wider where others touch.
NARROW_WIDE = Times(1.1)  # No E, F, L is so wide, of its height; an Æ is.

# — Likeness of texts —
SIMILAR = Likeness(0.78)  # A text is one of the app's words.
SIMILAR_WORN = Likeness(0.55)  # Where nothing else stands, less is enough.
SIMILAR_SHORT = Likeness(0.85)  # Of a word of three letters.
SIMILAR_MEANING = Likeness(0.84)  # Of a word that changes what a card means.
SIMILAR_NAME = Likeness(0.75)  # A day's or a month's name.
FUZZY_SIMILARITY_MIN = Likeness(0.82)  # A label,
FUZZY_LETTERS_MIN = Count(5)  # which is so long at least,
# in a client's title longer: a surname such as Kantor is no office (kontor).
FUZZY_TITLE_LETTERS_MIN = Count(8)
TORN_TOWN_MIN = Count(3)  # So many letters that a known town begins with are no other town.
TORN_LETTERS_MIN = Count(5)  # So many letters that a job begins with are no client's name.
SAME_TITLE = Likeness(0.8)  # Two readings of one title.

# — Words, lines and cards —
GAP_IN_CELL = Lines(1.1)  # A blank in a cell is no wider.
GAP_IN_RANGE = Lines(3.0)  # Between two times, whose dash stands there, unread perhaps.
OVERLAP = Lines(1.0)  # The box of a time may reach over the dash that follows it.
COLUMN_PITCH = Lines(10.0)  # Columns stand so far apart.
STACK_PITCH = Lines(3.0)  # Start and end of one card under one another,
SAME_LEFT = Lines(1.3)  # and their left edges.
SAME_EDGE = Lines(0.6)  # Texts of one column begin as near to one another,
FEWEST_ROWS = Count(2)  # and so many cards have it.
SAME_SIGN = Lines(0.25)  # One sign before the texts of a column, and they, begin as near as this,
SENT_TALL = Share(0.92)  # The time of a message is smaller than its cards', of their height;
TICK_CHARS = Count(3)  # ticks behind it are read as no more.
SIGN_CHARS = Count(3)  # and so many characters at most are read in it.
FEWEST_HOURS = Count(3)  # Of a scale at the side of a day,
SAME_PITCH = Share(0.12)  # that are as far apart, but for so much.
STRIP_WORTH = Times(1.5)  # A blank with two edges in it counts as so many times its height,
PARTS_CARDS = Times(1.1)  # of which a blank that parts cards has more than a rule within one.
LEFT_OF_TIMES = Lines(2.0)  # What begins so far left of its card's times is no part of it.
FAR_BELOW = Lines(3.2)  # From the times to the last line of the last card,
NEAR_ABOVE = Lines(1.2)  # and to a title above the first.
BELOW_TIMES = Lines(1.0)  # A title below a range of times begins no further right,
BLANK_BEFORE = Lines(0.6)  # and its first word would have had this blank before it.
PICTURE_BEFORE = Lines(2.0)  # A length may have a picture, with blanks, of this before it.
FAINTER = Share(0.82)  # Of its contrast: a fainter line is no part of the title above it.
FAR_RIGHT = Lines(6.0)  # A duration stands so far right of its card's times.
LONGEST_DURATION = Count(10)
LONGEST_SCRAP = Count(3)
SCRAP = Count(2)  # Letters of a text below the times that say nothing.
HOURS_TO_MINUTES = Lines(3.0)  # From the hours of a duration to its minutes.
PICTURE_REACH = Lines(1.1)  # How far off the middle of their heading portraits are read.
WORDS_OF_BADGE = Count(3)
BEFORE_TITLE = Lines(0.3)  # What ends so far left of the titles belongs to the times.
LONGEST_STATE = Count(12)  # Letters of the small state below the times,
BESIDE_STATE = Lines(1.5)  # how far below them it begins at most,
STATE_TALL = Share(0.82)  # of the height of the times.
BLANK_IN_NAME = Lines(0.6)  # Between a client and a number that is a part of the name (Studio 54),
DIGIT_TALL = Lines(0.55)  # which is so tall, where a name may have a ring above and a tail below.
NAME_WORDS = Count(4)  # Words of a client's name that has no job behind it.
SCRAP_LETTERS = Count(2)  # Fewer are a scrap, of a picture or of a sign.
FEWEST_NAMES = Count(3)  # Fewer clients of one first name are no wonder.
TOWN_WORDS = Count(3)  # Words of a town's name, at most.
HEADING_WORDS = Count(3)  # A heading above shifts has no more.
SUM_WORDS = Count(6)  # A line that tells a sum has no more.
FILES_LISTED = Count(5)  # Of the files that a key may mean, so many are named.

# — Days and times —
# Longer no shift is: start and end may have changed places.
DAWN_MINUTES = Minutes(6 * 60)  # Who writes 1:40 for a time before dawn may mean the afternoon.
NOON_MINUTES = Minutes(13 * 60)  # No shift that begins earlier lasts until the next day.
LONGEST_SHIFT_MINUTES = Minutes(16 * 60)
SAME_TIME_MINUTES = Minutes(5)  # Two images' times of one shift differ by no more.
YEARS_AROUND = Count(10)  # Years in which a date without one may lie.
FAR_DAYS = Days(60)  # From the day the pictures were sent: worth a warning,
DOUBTED_DAYS = Days(300)  # and another year's, since nobody sends a screenshot so late,
AHEAD_DAYS = Days(90)  # or has shifts that are so far ahead.
BARE_DAYS = Days(45)  # Of a date without weekday and week, whose year nothing else bears out.
DATE_TOKENS = Count(6)  # Words and numbers of a date, at most.
HEADER_GAP = Lines(1.5)  # Between the words of a heading,
WRAP_PITCH = Lines(1.9)  # and between its two lines.
STRIP_NAMES = Count(4)  # So many names of days on one line are a strip of the week.

# — What a screen may hide —
SHRINK = Count(4)  # The picture is looked at so many times smaller: what hides a card is large.
# Less is a dot, a dash or a rule; more, and narrow, is a bar or a line.
INKED_TALL = Letters(0.35), Letters(4.5)
NARROW = Letters(1.0)
FRAME_WIDE = Share(0.5)  # Of the width: what is wider is the frame of a card, or a rule.
LINES_APART = Letters(2.0)  # Lines of one card are nearer to one another.
SAME_PLACE = Letters(0.4)  # So much less or more is the same way below two cards.
DESCENT = Letters(0.6)  # So far below a line reach letters with a tail, and a pixel or two.
USUAL_STEPS = Count(4)  # An edge below them differs by so many times the usual at most.
CARD_BLANK = Letters(3.0)  # Between the texts of two cards at least,
NEXT_LINE = Letters(1.2)  # and the next one's first line.
USUAL_BLANKS = Times(1.5)  # A blank hides a card from so many usual blanks on,
LOWEST_CARD = Share(0.6)  # with so much of the lowest card's height.
WIDE_BLANK = Letters(8.0)  # A blank with no other to compare with.
HEADING_BLANK = Letters(5.5)  # Less may be what a look leaves free below its heading.
COVER_TALL = Letters(3.0)  # What lies over a card is so tall,
COVER_WIDE = Share(0.5)  # of the width,
COVER_FULL = Share(0.55)  # and of its own box.
OVER_TEXT_TALL = Letters(2.8)  # What lies over a text is taller than its line,
OVER_TEXT_NEAR = Letters(0.6)  # and nearer to what it leaves of it than a look's pictures.
LONE_TALL = Share(1.25)  # A lone letter, of the tallest of its line: more is a ring over it.
UNLOADED_TALL = Letters(0.45), Letters(2.2)  # A bar in the place of a line of text is so tall,
UNLOADED_WIDE = Letters(3.0)  # so wide at least,
UNLOADED_FULL = Share(0.85)  # and solid.
BAR_CONTRAST = Levels(90)  # Where one card has no other to compare with: a rule is fainter.
OTHER_COLOUR = Levels(10)  # Of the nearest colour: from here on a colour is another one.
SLIVER_TALL = Times(2.0)  # Of its width: no sign that ends a line is so tall and unread.
FEWEST_ALIKE = Count(2)  # So many cards at least look alike, and one does not:
HATCHED = Share(0.15), Share(0.7)  # so much of so many rows and columns of its ground has others,
MORE_HATCHED = Times(1.5)  # so many times as on any other card;
OTHER_LOOK = Levels(24)  # its colour is another one from here on,
SIGN_BEFORE = Letters(1.5)  # or a sign stands so near before its text.
INK_LETTERS = Count(3)  # Of a word whose colour counts.
INK_LEVELS = Levels(60)  # What is as dark as can be, when colours of texts are compared.
SWITCHED = Levels(48)  # So far off the page's colour is the half of a switch that is filled.
