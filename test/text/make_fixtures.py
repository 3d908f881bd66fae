#!/usr/bin/env python3
"""Makes test/text/data: small tokenizers of every kind, the lines they are tried on, and what Hugging Face's
`tokenizers` makes of them.

    python3 make_fixtures.py data [SHARED_MODELS_DIR]

data/lines.json        2,000 lines of corpus.py
data/NAME/             a trained tokenizer
data/components.json   {"base": tokenizer of single bytes, "parts": NAME → its other components}, one tried at a time
data/expected.json     NAME → hashes of 100 lines each: of ids without and with special tokens, of the decoded texts
"""
import collections
import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import charsmap
import corpus

TRAIN = corpus.lines(1500, seed=7)
COMMON = {c for c, _ in collections.Counter("".join(TRAIN)).most_common(700)}
SPECIALS = ["<unk>", "<s>", "</s>", "<pad>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def byte_level(pattern=None, prefix=False):
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=False)
    if pattern is None:
        return pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    patterns = pattern if isinstance(pattern, list) else [pattern]
    return pre_tokenizers.Sequence([*(pre_tokenizers.Split(Regex(p), "isolated") for p in patterns), last])


def edit(tokenizer, change):
    tree = json.loads(tokenizer.to_str())
    change(tree)
    return Tokenizer.from_str(json.dumps(tree))


def train_bpe(pre, normalizer=None, size=900, model=None, alphabet=None, **options):
    t = Tokenizer(model or models.BPE())
    t.pre_tokenizer = pre
    if normalizer is not None:
        t.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet() if alphabet is None else alphabet
    t.train_from_iterator(TRAIN, trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIALS, initial_alphabet=alphabet,
                                                     show_progress=False, **options))
    return t


def template(t, single="<s> $A </s>"):
    names = [n for n in single.split() if n != "$A"]
    return processors.TemplateProcessing(single=single, pair=single + " $B", special_tokens=[(n, t.token_to_id(n)) for n in dict.fromkeys(names)])


def gpt2():
    t = train_bpe(byte_level())
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=True)
    t.add_tokens([AddedToken("yesterday"), AddedToken(" mask ", lstrip=True), AddedToken("<mask>", lstrip=True, rstrip=True)])
    return t


def llama3():
    t = train_bpe(byte_level(GPT4))

    def change(tree):  # words whose merges do not build them
        tree["model"]["ignore_merges"] = True
        for w in ("Ġunbelievable", "Ġwould", "ä½łå¥½", "Hello"):
            tree["model"]["vocab"].setdefault(w, len(tree["model"]["vocab"]))
    t = edit(t, change)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template(t, "<s> $A")])
    t.add_special_tokens(["<|im_start|>", "<|im_end|>", AddedToken("<|endoftext|>", special=True)])
    return t


def qwen():
    t = train_bpe(byte_level(GPT4O), normalizers.NFC())
    t.decoder = decoders.ByteLevel()
    return t


def deepseek():
    t = train_bpe(byte_level(DEEPSEEK))
    t.decoder = decoders.ByteLevel()
    return t


def falcon():
    t = train_bpe(pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
                                           pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    t.decoder = decoders.ByteLevel()
    return t


def clip():
    t = train_bpe(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
                  normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
                  model=models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), end_of_word_suffix="</w>")
    t.decoder = decoders.Sequence([decoders.Replace("</w>", " "), decoders.ByteLevel()])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    return t


def openai_gpt():
    t = train_bpe(pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(), size=1200, model=models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
                  alphabet=[], end_of_word_suffix="</w>", limit_alphabet=400)
    t.decoder = decoders.BPEDecoder("</w>")
    return t


def bpe_prefix():
    t = train_bpe(pre_tokenizers.Whitespace(), size=1200, model=models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=True),
                  alphabet=[], continuing_subword_prefix="##", limit_alphabet=300)
    t.decoder = decoders.WordPiece("##", cleanup=True)
    return t


def llama2():
    t = train_bpe(pre_tokenizers.Metaspace(), size=900, model=models.BPE(unk_token="<unk>"), alphabet=[], limit_alphabet=300)

    def change(tree):
        m = tree["model"]
        m.update(byte_fallback=True, fuse_unk=True)
        for b in BYTES:
            m["vocab"][b] = len(m["vocab"])
        tree["pre_tokenizer"] = None
        tree["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
        for a in tree["added_tokens"]:
            a["normalized"] = a["content"] == "<pad>"
    t = edit(t, change)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = template(t, "<s> $A")
    return t


def gemma():
    t = train_bpe(pre_tokenizers.Split(" ", "merged_with_previous"), size=900, model=models.BPE(unk_token="<unk>"), alphabet=[], limit_alphabet=300)

    def change(tree):
        m = tree["model"]
        m.update(byte_fallback=True, fuse_unk=True)
        for b in BYTES:
            m["vocab"][b] = len(m["vocab"])
        tree["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    t = edit(t, change)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.add_tokens([AddedToken("the", single_word=True), AddedToken("<mask>", lstrip=True), AddedToken("\n\n", normalized=False), AddedToken("▁▁▁", normalized=False)])
    return t


def unigram(name):
    t = Tokenizer(models.Unigram())
    scheme = {"t5": "always", "xlmr": "always", "first": "first", "bytes": "never"}[name]
    t.normalizer = {"t5": normalizers.Precompiled(charsmap.build()), "xlmr": normalizers.Sequence([normalizers.Precompiled(charsmap.build()), normalizers.Replace(Regex(" {2,}"), " ")]),
                    "first": normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip()]), "bytes": normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()])}[name]
    t.pre_tokenizer = pre_tokenizers.Metaspace("▁", scheme)
    if name == "xlmr":
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), t.pre_tokenizer])
    text = ["".join(c for c in line if c in COMMON) for line in TRAIN]
    t.train_from_iterator(text, trainers.UnigramTrainer(vocab_size=2000, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False))
    if name == "bytes":
        def change(tree):
            tree["model"]["vocab"] += [[b, -50.0] for b in BYTES if b not in {v[0] for v in tree["model"]["vocab"]}]
            tree["model"]["byte_fallback"] = True
        t = edit(t, change)
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", scheme)]) if name == "bytes" else decoders.Metaspace("▁", scheme)
    t.post_processor = template(t, "$A </s>" if name == "t5" else "<s> $A </s>")
    return t


def wordpiece(cased):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20 if cased else 100))
    t.normalizer = normalizers.BertNormalizer(lowercase=not cased, strip_accents=None, handle_chinese_chars=not cased)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(TRAIN, trainers.WordPieceTrainer(vocab_size=1800, special_tokens=names, limit_alphabet=500, show_progress=False))
    t.decoder = decoders.WordPiece("##", cleanup=not cased)
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)) if cased else template(t, "[CLS] $A [SEP]")
    return t


def wordlevel():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    t.train_from_iterator(TRAIN, trainers.WordLevelTrainer(vocab_size=1500, special_tokens=SPECIALS, show_progress=False))
    return t


KINDS = {"gpt2": gpt2, "llama3": llama3, "qwen": qwen, "deepseek": deepseek, "falcon": falcon, "clip": clip, "openai_gpt": openai_gpt, "bpe_prefix": bpe_prefix,
         "llama2": llama2, "gemma": gemma, "t5": lambda: unigram("t5"), "xlmr": lambda: unigram("xlmr"), "unigram_first": lambda: unigram("first"),
         "unigram_bytes": lambda: unigram("bytes"), "bert": lambda: wordpiece(False), "bert_cased": lambda: wordpiece(True), "wordlevel": wordlevel}


def components():
    """Configurations around a BPE of the 256 byte characters.  The last step puts a space before each piece that has
    none, so the ids show where the text was cut."""
    n, p = normalizers, pre_tokenizers
    out = {}

    def add(name, normalizer=None, pre=None):
        t = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(sorted(p.ByteLevel.alphabet()))}, merges=[]))
        if normalizer is not None:
            t.normalizer = normalizer
        last = p.ByteLevel(add_prefix_space=True, use_regex=False)
        t.pre_tokenizer = last if pre is None else p.Sequence([pre, last])
        t.decoder = decoders.ByteLevel()
        out[name] = json.loads(t.to_str())

    for f in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
        add(f, getattr(n, f)())
    add("strip", n.Strip())
    add("strip_left", n.Strip(right=False))
    add("strip_right", n.Strip(left=False))
    add("bert_clean", n.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False))
    add("bert_accents", n.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=True, lowercase=False))
    add("precompiled", n.Precompiled(charsmap.build()))
    add("replace_regex", n.Replace(Regex(r"[aeiou]+"), "#"))
    add("prepend", n.Prepend("__"))
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        add("punctuation_" + behavior, None, p.Punctuation(behavior))
        add("split_" + behavior, None, p.Split(Regex(r"\s+|[.,]"), behavior))
        add("split_inverted_" + behavior, None, p.Split(Regex(r"\w+"), behavior, invert=True))
        add("split_literal_" + behavior, None, p.Split("a", behavior))
    add("whitespace", None, p.Whitespace())
    add("whitespace_split", None, p.WhitespaceSplit())
    add("bert_pre", None, p.BertPreTokenizer())
    add("digits", None, p.Digits(individual_digits=True))
    add("digits_contiguous", None, p.Digits())
    add("delimiter", None, p.CharDelimiterSplit("."))
    add("fixed", None, p.FixedLength(3))
    for scheme in ("always", "first", "never"):
        add("metaspace_" + scheme, None, p.Metaspace("▁", scheme))
        add("metaspace_whole_" + scheme, n.Sequence([n.Strip(), n.Lowercase(), n.Prepend(" ")]), p.Metaspace("▁", scheme, split=False))
        add("metaspace_cut_" + scheme, n.NFKD(), p.Sequence([p.Split(Regex(r"\d|\s"), "merged_with_previous"), p.Metaspace("▁", scheme)]))
        add("metaspace_bert_" + scheme, n.BertNormalizer(), p.Metaspace("▁", scheme))
    for i, regex in enumerate(REGEXES):
        add(f"regex_{i}", None, p.Split(Regex(regex), "isolated"))
    return out


REGEXES = [GPT4, GPT4O, CLIP, *DEEPSEEK,
           r"\p{N}{1,3}+", r"a{2}?", r"x{,2}y", r"^\w|\w$", r"(?m:a.b)", r"(?i)stra|[K-M]+", r"[\p{Lu}\p{Ll}&&[^a-c]]+", r"[^a[bc]\s]+", r"[a-z&&b-y&&[^m]]",
           r"[^a-z&&b-y]", r"\h+", r"\b[a-z]", r"\B.", r"\R", r"[]a]+", r"[a\-z]", r"\u0041|\x{42}|\x43|\103", r"[[:alpha:]]+", r"[[:^alpha:]]+", r"[[:punct:]]",
           r"[[:alnum:]_]+", r"\p{^L}+", r"\P{L}+", r"\p{Letter}+|\p{Decimal_Number}", r"\p{Alphabetic}+", r"\p{Han}+|\p{Latin}+|\p{Arabic}+", r"\p{Punct}|\p{Space}",
           r"(?<=a)b|(?<!e)r", r"(?>a+)b|a++", r"(?<n>.)\k<n>", r"[\s\S]{1,7}", r"\S+\s?|\s", r"[^\S\n]+", r"\W+", r"[\W]+", r"[\w]+", r"\d+", r"\D+", r"[\D]+", r"[\S&&\W]+",
           r"[\r\n]+|\t|\v|\f", r"a{|}|{b", r"\p{Lu}\p{Ll}*", r"[^\p{Han}\p{Hiragana}]+", r"[\p{Sm}\p{Sc}\p{So}\p{Sk}]", r"[\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\p{Pc}]",
           r"\p{Mn}|\p{Mc}|\p{Me}", r"\p{Cf}|\p{Cc}|\p{Co}|\p{Cn}", r"\p{Zs}|\p{Zl}|\p{Zp}", r"\p{Nl}|\p{No}", r"[[:upper:]][[:lower:]]+", r"[[:space:]]|[[:cntrl:]]",
           r"[[:graph:]]+", r"[[:print:]]+", r"\p{M}+", r"\p{L}\p{M}*"]


def fnv(h, data):
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def outputs(t, line):
    """What one line is hashed as: ids without, ids with special tokens, both decoded; None if it cannot be encoded."""
    try:
        plain, special = (t.encode(line, add_special_tokens=s).ids for s in (False, True))
    except Exception:
        return None
    return plain, special, t.decode(special, skip_special_tokens=False), t.decode(special, skip_special_tokens=True)


def hashes(t, lines):
    t.no_truncation()
    t.no_padding()
    result = []
    for i in range(0, len(lines), 100):
        h = 0xCBF29CE484222325
        for line in lines[i:i + 100]:
            plain, special, everything, skipped = outputs(t, line) or ((), (), "", "")
            for ids in (plain, special):
                h = fnv(h, b"".join(x.to_bytes(4, "little") for x in ids) + b"\xff")
            for text in (everything, skipped):
                h = fnv(h, text.encode() + b"\xff")
        result.append(f"{h:016x}")
    return result


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    lines = corpus.lines(2000)
    expected = {}
    for name, make in KINDS.items():
        t = make()
        (out / name).mkdir(exist_ok=True)
        (out / name / "tokenizer.json").write_text(t.to_str())
        t = Tokenizer.from_file(str(out / name / "tokenizer.json"))  # scores lose bits on the way through the file
        expected[name] = hashes(t, lines)
    trees = components()
    for name, tree in trees.items():
        expected[name] = hashes(Tokenizer.from_str(json.dumps(tree)), lines[:500])
    parts = {name: {k: tree[k] for k in ("normalizer", "pre_tokenizer")} for name, tree in trees.items()}
    components_file = {"base": next(iter(trees.values())), "parts": parts}
    for name in ("llama-tiny-tokenizer", "minilm-l6-v2-fp16", "smollm2-135m-tokenizer") if len(sys.argv) > 2 else ():
        expected["shared/" + name] = hashes(Tokenizer.from_file(str(pathlib.Path(sys.argv[2]) / name / "tokenizer.json")), lines)
    (out / "lines.json").write_text(json.dumps(lines, ensure_ascii=False))
    (out / "components.json").write_text(json.dumps(components_file))
    (out / "expected.json").write_text(json.dumps(expected, indent=0))


if __name__ == "__main__":
    main()
