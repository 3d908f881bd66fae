#!/usr/bin/env python3
"""Prints the tables of runtime/text/unicode_tables.cpp: asks Hugging Face's `tokenizers` about every code point and
compares with Unicode 14, which this Python must have (3.11).

    python3 make_unicode_tables.py          takes a minute
"""
import collections
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

assert unicodedata.unidata_version == "14.0.0"
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORY = {c: unicodedata.category(chr(c)) for c in POINTS}
CATEGORIES = sorted(set(CATEGORY.values()) - {"Cn", "Cs"})
SCRIPTS = ["Han", "Latin", "Arabic", "Cyrillic", "Hiragana", "Katakana"]
ASCII_PUNCTUATION = set(map(ord, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))


def matching(regex):
    """Code points that Oniguruma matches."""
    split = pre_tokenizers.Split(Regex(regex), "removed", invert=True)
    return {ord(c) for i in range(0, len(POINTS), 4096) for part, _ in split.pre_tokenize_str("".join(map(chr, POINTS[i:i + 4096]))) for c in part}


def which(test):
    return {c for c in POINTS if test(chr(c))}


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def show(name, rows):
    print(f"constexpr {name}[] = {{{', '.join('{' + ', '.join(f'0x{c:X}' for c in row) + '}' for row in rows)}}};")


def stand_ins(newer, sets, scripts):
    """For each newer character the first one of Unicode 14 with its category, script and UTF-8 length that is
    alphabetic and lower-case alike; where there is none, one of an unlisted script, then of either case."""
    def script(c):
        return next((s for s in SCRIPTS if c in scripts[s]), "")

    category = {c: next(k for k in CATEGORIES if c in sets[k]) for c in newer}
    known = collections.defaultdict(list)
    for c in POINTS:
        if c >= 0x800 and CATEGORY[c] in CATEGORIES:
            key = CATEGORY[c], c in sets["alpha"], c > 0xFFFF
            known[*key, script(c), c in sets["lower"]].append(c)
    rows = []
    for c in sorted(newer):
        key = category[c], c in sets["alpha"], c > 0xFFFF
        lower = c in sets["lower"]
        choices = known[*key, script(c), lower] or known[*key, "", lower] or known[*key, "", not lower]
        if rows and rows[-1][1] == c - 1 and rows[-1][2] == choices[0]:
            rows[-1][1] = c
        else:
            rows.append([c, c, choices[0]])
    return rows


def main():
    sets = {k: matching(rf"\p{{{k}}}") for k in CATEGORIES} | {"alpha": matching("[[:alpha:]]"), "lower": matching("[[:lower:]]")}
    scripts = {s: matching(rf"\p{{{s}}}") for s in SCRIPTS}
    unassigned = matching(r"\p{Cn}")
    newer = {c for c in POINTS if CATEGORY[c] == "Cn" and c not in unassigned} | {0x1171E}  # this one changed category
    show("StandInRange kStandInTable", stand_ins(newer, sets, scripts))

    def either(*prefixes):  # in a category, in Unicode 14 or 16
        return {c for c in POINTS if CATEGORY[c].startswith(prefixes)}.union(*(sets[k] for k in CATEGORIES if k.startswith(prefixes)))

    cut = pre_tokenizers.Punctuation()
    punctuation = which(lambda c: len(cut.pre_tokenize_str("a" + c)) == 2)
    show("CharRange kNotPunctuationTable", ranges(either("P") - ASCII_PUNCTUATION - punctuation))
    bert = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    show("CharRange kNotNonspacingMarkTable", ranges(either("Mn") - which(lambda c: bert.normalize_str("a" + c) == "a")))
    strip = normalizers.StripAccents()
    show("CharRange kNotMarkTable", ranges(either("M") - which(lambda c: strip.normalize_str("a" + c) == "a")))
    nfkd = normalizers.NFKD()
    show("CharRange kInertTable", ranges(which(lambda c: nfkd.normalize_str(c) != unicodedata.normalize("NFKD", c))))
    digits = pre_tokenizers.Digits(individual_digits=True)
    show("CharRange kNewNumericTable", ranges(which(lambda c: len(digits.pre_tokenize_str("a" + c)) == 2) - either("N")))


if __name__ == "__main__":
    main()
