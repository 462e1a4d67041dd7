"""Writes src/tokenizer/categories.rs: the general categories of Unicode, as far as pre-tokenizers tell them apart.

    pip install unicodedata2==15.1.0
    python scripts/categories.py            # compares; fails if the file would change
    python scripts/categories.py --write

Version 15.1 is the one of llama.cpp's tables (src/unicode-data.cpp): a letter that a later version has added must not
become one here before it does there.
"""
import sys
from pathlib import Path

import unicodedata2

VERSION = "15.1.0"
TARGET = Path(__file__).parent.parent / "src/tokenizer/categories.rs"
CLASSES = {"L": "L", "M": "M", "N": "N", "P": "P", "S": "S"}
# the property White_Space, which goes before the category
SPACES = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
PER_LINE = 8
HEAD = f"""//! Where a class of characters begins; it goes up to the next entry.
//!
//! Written by scripts/categories.py from the Unicode Character Database, version {VERSION}. Do not edit.

use super::classes::Class::{{
    self, Letter as L, Mark as M, Number as N, Other as X, Punctuation as P, Space as W, Symbol as S,
}};

#[rustfmt::skip]
pub const STARTS: &[(u32, Class)] = &[
"""


def class_of(code):
    return "W" if code in SPACES else CLASSES.get(unicodedata2.category(chr(code))[0], "X")


def source():
    starts, last = [], None
    for code in range(0x110000):
        if class_of(code) != last:
            last = class_of(code)
            starts.append(f"(0x{code:X}, {last})")
    lines = (", ".join(starts[at:at + PER_LINE]) for at in range(0, len(starts), PER_LINE))
    return HEAD + "".join(f"    {line},\n" for line in lines) + "];\n"


def main():
    if unicodedata2.unidata_version != VERSION:
        sys.exit(f"unicodedata2 has Unicode {unicodedata2.unidata_version}; {VERSION} is wanted")
    if "--write" in sys.argv[1:]:
        TARGET.write_text(source(), encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != source():
        sys.exit(f"{TARGET.name} is not what this script writes")


main()
