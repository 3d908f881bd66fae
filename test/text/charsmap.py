"""A SentencePiece charsmap (precompiled_charsmap) of a table like nmt_nfkc's: single characters to their NFKC form and
lower-ASCII controls to spaces, and some two-character sequences.  The trie is a double array as Darts-clone writes it."""
import base64
import struct
import unicodedata


def table():
    out = {}
    for c in [*range(0xA0, 0x250), *range(0x2000, 0x2190), *range(0x2460, 0x2500), *range(0x3000, 0x3400), *range(0xFB00, 0xFB50),
              *range(0xFE30, 0xFFEF), *range(0x1D400, 0x1D440)]:
        n = unicodedata.normalize("NFKC", chr(c))
        if n != chr(c):
            out[chr(c)] = n
    for c in (0x09, 0x0A, 0x0C, 0x0D, 0xA0, 0x1680, 0x2028, 0x2029, 0x200B, 0xFEFF):
        out[chr(c)] = " "
    for c in (0x01, 0x02, 0x07, 0x7F, 0xAD, 0x200E):
        out[chr(c)] = ""
    for base in "aeiouAEIOU":
        for mark in "\u0300\u0301\u0302\u0308":
            out[base + mark] = unicodedata.normalize("NFC", base + mark)
    return out


def double_array(values):
    """values: {bytes: int}.  Units: a leaf holds its value with the top bit set; others their label (8 bits), a flag at
    bit 8 for "a leaf follows under label 0", and the distance to the children from bit 10."""
    root = {}
    for key, value in values.items():
        node = root
        for b in key:
            node = node.setdefault(b, {})
        node[0] = value
    units, used, bases = [0] * 1024, {0}, set()

    def place(position, node):
        labels = sorted(node)
        base = position & ~0xFF | 1
        while True:
            base += 1
            if base not in bases and base ^ position < 1 << 21 and not any((base ^ b) in used for b in labels):
                break
        bases.add(base)
        while base + 512 > len(units):
            units.extend([0] * 1024)
        for b in labels:
            used.add(base ^ b)
        units[position] |= (base ^ position) << 10 | ((0 in node) << 8)
        for b in labels:
            if b == 0:
                units[base] = node[0] | 1 << 31
            else:
                units[base ^ b] = b
                place(base ^ b, node[b])

    place(0, root)
    return struct.pack(f"<{len(units)}I", *units)


def build():
    blob, values = b"", {}
    for key, text in sorted(table().items()):
        values[key.encode()] = len(blob)
        blob += text.encode() + b"\0"
    trie = double_array(values)
    return base64.b64decode(base64.b64encode(struct.pack("<I", len(trie)) + trie + blob))
