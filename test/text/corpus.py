#!/usr/bin/env python3
"""Mixed text from a fixed seed: code, prose in many scripts, emoji, control characters, odd combinations.

    python3 corpus.py 10000 > lines.json        a JSON array of strings; the same array for the same number
"""
import json
import random
import sys

WORDS = """the of and to in is that for it was on are as with his they at be this from have or by one had not but what all
were when we there can an your which their said if do will each about how up out them then she many some so these would
other into has more her two like him see time could no make than first been its who now people my made over did down only
way find use may water long little very after words called just where most know naive cafe Straße résumé coöperate Ångström
don't I'll we've it's they'RE O'Neill rock'n'roll state-of-the-art e.g. U.S.A. HTTPServer snake_case camelCase kebab-case
tokenization unbelievable antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis""".split()
CODE = ["def f(x):\n    return x**2  # sq", "for (int i = 0; i < n; ++i) { a[i] += b[i] * c[i]; }", "if x != None and y >= 3.14e-10:",
        "std::vector<std::pair<int, std::string>> v{{1, \"a\"}};", "SELECT * FROM t WHERE a LIKE '%x_%';", "\t\tgoto *label; // ???",
        "<div class=\"a b\">&nbsp;&#x1F600;</div>", "let f = |x: &'a str| -> Option<u8> { None };", "#!/bin/sh\nset -euo pipefail",
        "$ git commit -m 'wip' && git push --force", "{\"k\": [1, 2.5, null, true], \"s\": \"\\u00e9\\n\"}", "\\frac{a}{b} \\sum_{i=0}^{n} x_i^2",
        "x = y ? z : w;\r\n\r\nreturn;", "/* 日本語 comment */", "regex: ^\\s*(\\d{1,3})(?:,\\d{3})*$", "a&&b||!c^~d<<2>>1", "printf(\"%08lx\\n\", 0xDEADBEEFul);"]
SCRIPTS = {"cjk": (0x4E00, 0x9FFF), "kana": (0x3040, 0x30FF), "hangul": (0xAC00, 0xD7A3), "jamo": (0x1100, 0x11FF), "arabic": (0x0600, 0x06FF),
           "hebrew": (0x0590, 0x05FF), "cyrillic": (0x0400, 0x04FF), "greek": (0x0370, 0x03FF), "thai": (0x0E00, 0x0E5B),
           "devanagari": (0x0900, 0x097F), "bengali": (0x0980, 0x09FF), "tamil": (0x0B80, 0x0BFF), "armenian": (0x0531, 0x058F),
           "georgian": (0x10A0, 0x10FF), "ethiopic": (0x1200, 0x137F), "khmer": (0x1780, 0x17FF), "tibetan": (0x0F00, 0x0FDA),
           "latin1": (0x00A1, 0x00FF), "latinx": (0x0100, 0x024F), "vietnamese": (0x1EA0, 0x1EF9), "halfwidth": (0xFF00, 0xFFEF),
           "math": (0x1D400, 0x1D7FF), "symbols": (0x2000, 0x2BFF), "extb": (0x20000, 0x20100), "gothic": (0x10330, 0x1034A)}
EMOJI = ["🙂", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "🇺🇸🇫🇷", "❤️", "☺", "⌚️", "🤷🏿‍♀️", "🧑‍🚀", "1️⃣", "#️⃣", "🫠", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\u00A0", "\u2003", "\u3000", "\u200B", "\u200D", "\uFEFF", "\u180E", "\u2028", "\x85", "\x0B", "\x0C"]
MARKS = [chr(c) for c in [*range(0x300, 0x370), *range(0x591, 0x5BE), *range(0x64B, 0x660), 0x20E3, 0xFE0F, 0xFE0E, 0x200D, 0x200C,
                          0x0E47, 0x0E31, 0x094D, 0x09CD, 0x1AB0, 0x1DC0, 0x20D0, 0x3099, 0x309A]]
FORMS = ["①", "½", "²", "Ⅷ", "ﬁ", "ﬃ", "㎏", "㍿", "ｶﾞ", "Å", "Ω", "ǆ", "İ", "ı", "ſ", "ẞ", "ß", "Σίσυφος", "ΌΣΟΣ", "Ｆｕｌｌ", "℃", "…", "“q”", "‘s’",
         "№", "™", "ª", "ﷺ", "각", "각", "ộ", "ộ", "ö̲"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<s>", "</s>", "<unk>", "<pad>", "<mask>",
            "<0x41>", "<0xE2>", "▁", "Ġ", "##a", "<extra>", "[tool]", " <mask> "]


def random_char(r):
    while True:
        c = r.choice([r.randrange(0x20, 0x7F), r.randrange(0x80, 0x800), r.randrange(0x800, 0x10000), r.randrange(0x10000, 0x20000),
                      r.randrange(0x20000, 0x110000)])
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def run_of(r, name, n):
    lo, hi = SCRIPTS[name]
    return "".join(" " if r.random() < 0.12 else chr(r.randint(lo, hi)) for _ in range(n))


def piece(r):
    kind = r.randrange(16)
    if kind < 3:
        return " ".join(r.choice([w, w, w.capitalize(), w.upper()]) for w in r.choices(WORDS, k=r.randint(1, 9))) + r.choice(["", ".", "!", "?!", ",", ";", "..."])
    if kind == 3:
        return r.choice(CODE)
    if kind in (4, 5, 6):
        return run_of(r, r.choice(list(SCRIPTS)), r.randint(1, 14))
    if kind == 7:
        return "".join(r.choices(EMOJI, k=r.randint(1, 4)))
    if kind == 8:
        return "".join(r.choices(SPACES, k=r.randint(1, 5)))
    if kind == 9:  # marks where none belong
        return "".join(r.choice(["a", "e", "가", "क", "ا", "x", " ", ""]) + "".join(r.choices(MARKS, k=r.randint(0, 4))) for _ in range(r.randint(1, 4)))
    if kind == 10:
        return r.choice(["%d" % r.randrange(10 ** r.randint(1, 20)), "%.3f" % r.uniform(-1e6, 1e6), "1,234,567.89", "0x%X" % r.randrange(1 << 40), "٣٤٥", "१२३",
                         "2026-01-31T23:59:59Z", "+1 (555) 010-9999", "1e-9", "３．１４"])
    if kind == 11:  # control characters
        return "".join(chr(r.choice([*range(0, 32), 127, *range(0x80, 0xA0), 0x200E, 0x202E, 0xFFFD, 0xFFF9, 0xE001])) for _ in range(r.randint(1, 4)))
    if kind == 12:
        return "".join(r.choices(FORMS, k=r.randint(1, 5)))
    if kind == 13:
        return r.choice(SPECIALS)
    if kind == 14:
        return "".join(random_char(r) for _ in range(r.randint(1, 8)))
    return r.choice([r.choice("abcxyz-=_*. \t\n!1") * r.randint(2, 40), "https://example.org/p?q=%d&r=%%20#x" % r.randrange(99), "user@mail.example", "C:\\dir\\f.txt"])


def lines(n, seed=20240229):
    r = random.Random(seed)
    return ["".join(piece(r) + r.choice(["", "", " ", " ", "\n", "  "]) for _ in range(r.randint(1, 7))) for _ in range(n)]


if __name__ == "__main__":
    json.dump(lines(int(sys.argv[1])), sys.stdout, ensure_ascii=False)
