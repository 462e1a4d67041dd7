//! Random texts that are hard on tokenizers: every kind of white space, scripts, marks, digits, special tokens.

/// A small generator (SplitMix64), so that a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }
}

const WORDS: &[&str] = &[
    "the",
    "The",
    "THE",
    "hello",
    "World",
    "camelCase",
    "HTTPServer",
    "iPhone",
    "don't",
    "DON'T",
    "we'll",
    "it's",
    "I'm",
    "they'Re",
    "naïve",
    "Straße",
    "ÉCOLE",
    "привет",
    "Привет",
    "Ελλάδα",
    "ΰώΐῼ",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "हिन्दी",
    "สวัสดี",
    "မြန်မာ",
    "ខ្មែរ",
    "ລາວ",
    "漢字",
    "中文字符",
    "ひらがな",
    "カタカナ",
    "ｶﾀｶﾅ",
    "한국어",
    "ㄱㄴㄷ",
    "ㄅㄆㄇ",
    "Ǆungla",
    "ﬁne",
    "ＦＵＬＬ",
    "ª",
    "ʰ",
    "𝒳𝓎",
    "𐐀𐐨",
    "İstanbul",
    "ſ's",
    "a\u{301}e\u{308}",
    "fn",
    "return",
    "_name",
    "x_1",
    "A1b2",
    "<b>",
    "</div>",
    "<i>x</i>",
    "def f(x):",
    "//",
    "/*",
    "*/",
    "->",
    "=>",
    "...",
    "…",
    "!?",
];
const SPACES: &[&str] = &[
    " ", " ", " ", "  ", "   ", "     ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n", "\n ", " \t ", "\u{a0}",
    "\u{3000}", "\u{2003}", "\u{2028}", "\u{85}", "\u{b}", "\u{c}", "\u{1c}", "\u{200b}", "\u{feff}", "\u{1680}", "▁",
    "▁▁", " ▁",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "1234567",
    "3.14",
    "1,000,000",
    "2024-01-02",
    "0x1F",
    "١٢٣",
    "１２３",
    "²³",
    "½",
    "Ⅷ",
    "१२३४",
    "1st",
    "12_3",
];
const MARKS: &[&str] = &[
    ".",
    ",",
    "!",
    "?",
    "'",
    "''",
    "\"",
    "'s",
    "'S",
    "'ll",
    "'LL",
    "'t",
    "'d",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "~",
    "~~",
    "`",
    "```",
    "$",
    "€",
    "+",
    "=",
    "<",
    ">",
    "^",
    "|",
    "#",
    "@",
    "%",
    "&",
    "*",
    "-",
    "—",
    "–",
    "“",
    "”",
    "‘",
    "’",
    "、",
    "。",
    "！",
    "（",
    "？",
    "،",
    "۔",
    "।",
    "\\",
    "/",
    ";",
    ":",
    "_",
    "\0",
    "\u{1}",
    "\u{7f}",
    "\u{ad}",
    "\u{301}",
    "\u{20dd}",
    "\u{fe0f}",
    "😀",
    "👨‍👩‍👧",
    "🇩🇪",
    "©",
    "№",
    "\u{e000}",
    "\u{378}",
    "\u{10ffff}",
    "\u{fffd}",
    "\u{2ebf0}",
    "\u{1c89}",
    "\u{1e4d0}",
];

/// A text; `special` are texts of special tokens.
pub fn random_text(random: &mut Random, special: &[String]) -> String {
    let mut text = String::new();
    for _ in 0..random.below(14) {
        match random.below(16) {
            0..=4 => text += random.one_of(WORDS),
            5..=8 => text += random.one_of(SPACES),
            9 | 10 => text += random.one_of(NUMBERS),
            11 | 12 => text += random.one_of(MARKS),
            13 => text.extend(char::from_u32(random.below(0x3100) as u32)),
            14 => text.extend(char::from_u32(random.below(0x32000) as u32)),
            _ if special.is_empty() => text += " x",
            _ => {
                let token = &special[random.below(special.len())];
                // sometimes without its end, so that it is none
                let end =
                    token.char_indices().last().filter(|_| random.below(8) == 0).map_or(token.len(), |(at, _)| at);
                text += &token[..end];
            }
        }
        if random.below(3) == 0 {
            text.push(' ');
        }
    }
    text
}
