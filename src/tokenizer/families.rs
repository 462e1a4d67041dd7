//! The pre-tokenizers, by the names in `tokenizer.ggml.pre`.
//!
//! Source: the regular expressions of llama.cpp's `llm_tokenizer_bpe`, and what its `unicode.cpp` makes of them: classes
//! are those of `rules`, and there are no capital letters beyond ASCII.

use super::rules::{LINE_BREAKS, LINE_BREAKS_AND_SLASH, Lead, Rule, Run, Set, Tail};

/// What a name stands for.
#[derive(Debug)]
pub struct Family {
    /// The names.
    pub names: &'static [&'static str],
    /// Each cuts what the one before it has left.
    pub passes: &'static [Pass],
    /// How words become symbols.
    pub spelling: Spelling,
    /// A word that is a token as a whole is not merged from its parts.
    pub ignore_merges: bool,
    /// Whether text begins with the BOS token when the file does not say.
    pub add_bos: bool,
}

/// How the tokens of a vocabulary are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// In the alphabet of bytes.
    Bytes,
    /// As they are, with U+2581 for a space and names like `<0x0A>` for single bytes.
    Text,
}

/// A way to cut a text.
#[derive(Clone, Copy, Debug)]
pub enum Pass {
    /// The matches of the first rule that matches become words, and so does what lies between matches.
    Rules(&'static [Rule]),
    /// `\s+$`: white space at the end is a word.
    SpacesAtEnd,
    /// Numbers in threes, counted from the right.
    Threes(Threes),
}

/// Which numbers are cut into threes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threes {
    /// `(?=(\d{3})+(?!\d))`: of ASCII digits; what comes before the first three stays with the text before it.
    Full,
    /// The same of `\p{N}`, but the first group, of one to three, stays with the text before it.
    AfterFirst,
}

const NUMBER: Rule = Run::of(Set::Number).times(1, 1).rule();
const NUMBERS: Rule = Run::of(Set::Number).rule();
const NUMBERS_BY_THREE: Rule = Run::of(Set::Number).times(1, 3).rule();
const THREE_DIGITS: Rule = Run::of(Set::AsciiDigit).times(3, 3).rule();
const SIGNS: Rule = Run::of(Set::NoWord).after(Lead::Space).rule();
const SIGNS_AND_BREAKS: Rule = Run::of(Set::NoWord).after(Lead::Space).then(Tail::Any(LINE_BREAKS)).rule();
const SIGNS_BREAKS_SLASHES: Rule =
    Run::of(Set::NoWord).after(Lead::Space).then(Tail::Any(LINE_BREAKS_AND_SLASH)).rule();
const SPACED_WORD: Rule = Run::of(Set::Letter).after(Lead::Space).rule();
const WORD: Rule = Run::of(Set::Letter).after(Lead::NoWord).rule();
const MARKED_WORD: Rule = Run::of(Set::LetterOrMark).after(Lead::NoWord).rule();
const CASED_WORD: Rule = Rule::CasedWord { marks: false, contraction: true };
const CJK: Rule = Run::of(Set::Ranges(&[('一', '龥'), ('\u{3040}', '\u{30ff}')])).rule();

const GPT2: Pass =
    Pass::Rules(&[Rule::Contraction, SPACED_WORD, Run::of(Set::Number).after(Lead::Space).rule(), SIGNS, Rule::Spaces]);
const LLAMA3: Pass =
    Pass::Rules(&[Rule::ContractionAnyCase, WORD, NUMBERS_BY_THREE, SIGNS_AND_BREAKS, Rule::LineBreaks, Rule::Spaces]);
const QWEN2: Pass =
    Pass::Rules(&[Rule::ContractionAnyCase, WORD, NUMBER, SIGNS_AND_BREAKS, Rule::LineBreaks, Rule::Spaces]);
const QWEN35: Pass = Pass::Rules(&[
    Rule::ContractionAnyCase,
    MARKED_WORD,
    NUMBER,
    Run::of(Set::NoWordOrMark).after(Lead::Space).then(Tail::Any(LINE_BREAKS)).rule(),
    Rule::LineBreaks,
    Rule::Spaces,
]);
const GPT4O: Pass = Pass::Rules(&[CASED_WORD, NUMBERS_BY_THREE, SIGNS_BREAKS_SLASHES, Rule::LineBreaks, Rule::Spaces]);
const TEKKEN: Pass = Pass::Rules(&[
    Rule::CasedWord { marks: false, contraction: false },
    NUMBER,
    SIGNS_BREAKS_SLASHES,
    Rule::LineBreaks,
    Rule::Spaces,
]);
/// The last pass of DeepSeek V3 and its relatives.
const DEEPSEEK3: Pass = Pass::Rules(&[
    Run::of(Set::AsciiLetter).after(Lead::AsciiPunctuation).rule(),
    Run::of(Set::LetterOrMark).after(Lead::NoWordOrMark).rule(),
    Run::of(Set::PunctuationOrSymbol).after(Lead::Space).then(Tail::Any(LINE_BREAKS)).rule(),
    Rule::LineBreaks,
    Rule::Spaces,
]);
/// `[^\n]+|[\n]+`
const LINES: Pass = Pass::Rules(&[Run::of(Set::NotLineFeed).rule(), Run::of(Set::LineFeed).rule()]);
const EACH_BREAK: Pass = Pass::Rules(&[Run::of(Set::LineBreak).times(1, 1).rule()]);
/// `[一-龥ࠀ-一가-퟿]+`
const EAST_ASIA: Pass = Pass::Rules(&[Run::of(Set::Ranges(&[('\u{800}', '龥'), ('가', '\u{d7ff}')])).rule()]);
/// ` ?[^(\s|.,!?…。，、।۔،)]+`
const BLOOM: Pass = Pass::Rules(&[Run::of(Set::NoneOf("(|.,!?…。，、।۔،)")).after(Lead::Space).rule()]);

/// The letters that DeepSeek LLM lists: those with a case, up to Unicode 11.
const CASED_LETTERS: &[(char, char)] = &[
    ('\u{41}', '\u{5a}'),
    ('\u{61}', '\u{7a}'),
    ('\u{b5}', '\u{b5}'),
    ('\u{c0}', '\u{d6}'),
    ('\u{d8}', '\u{f6}'),
    ('\u{f8}', '\u{1ba}'),
    ('\u{1bc}', '\u{1bf}'),
    ('\u{1c4}', '\u{293}'),
    ('\u{295}', '\u{2af}'),
    ('\u{370}', '\u{373}'),
    ('\u{376}', '\u{377}'),
    ('\u{37b}', '\u{37d}'),
    ('\u{37f}', '\u{37f}'),
    ('\u{386}', '\u{386}'),
    ('\u{388}', '\u{38a}'),
    ('\u{38c}', '\u{38c}'),
    ('\u{38e}', '\u{3a1}'),
    ('\u{3a3}', '\u{3f5}'),
    ('\u{3f7}', '\u{481}'),
    ('\u{48a}', '\u{52f}'),
    ('\u{531}', '\u{556}'),
    ('\u{10a0}', '\u{10c5}'),
    ('\u{13a0}', '\u{13f5}'),
    ('\u{13f8}', '\u{13fd}'),
    ('\u{1c90}', '\u{1cba}'),
    ('\u{1cbd}', '\u{1cbf}'),
    ('\u{1d00}', '\u{1d2b}'),
    ('\u{1d6b}', '\u{1d77}'),
    ('\u{1d79}', '\u{1d9a}'),
    ('\u{1e00}', '\u{1f15}'),
    ('\u{1f18}', '\u{1f1d}'),
    ('\u{1f20}', '\u{1f45}'),
    ('\u{1f48}', '\u{1f4d}'),
    ('\u{1f50}', '\u{1f57}'),
    ('\u{1f59}', '\u{1f59}'),
    ('\u{1f5b}', '\u{1f5b}'),
    ('\u{1f5d}', '\u{1f5d}'),
    ('\u{1f5f}', '\u{1f7d}'),
    ('\u{1f80}', '\u{1fb4}'),
    ('\u{1fb6}', '\u{1fbc}'),
    ('\u{1fbe}', '\u{1fbe}'),
    ('\u{1fc2}', '\u{1fc4}'),
    ('\u{1fc6}', '\u{1fcc}'),
    ('\u{1fd0}', '\u{1fd3}'),
    ('\u{1fd6}', '\u{1fdb}'),
    ('\u{1fe0}', '\u{1fec}'),
    ('\u{1ff2}', '\u{1ff4}'),
    ('\u{1ff6}', '\u{1ffc}'),
    ('\u{2102}', '\u{2102}'),
    ('\u{2107}', '\u{2107}'),
    ('\u{210a}', '\u{2113}'),
    ('\u{2115}', '\u{2115}'),
    ('\u{2119}', '\u{211d}'),
    ('\u{2124}', '\u{2124}'),
    ('\u{2126}', '\u{2126}'),
    ('\u{2128}', '\u{2128}'),
    ('\u{212a}', '\u{212d}'),
    ('\u{212f}', '\u{2134}'),
    ('\u{2139}', '\u{2139}'),
    ('\u{213c}', '\u{213f}'),
    ('\u{2145}', '\u{2149}'),
    ('\u{214e}', '\u{214e}'),
    ('\u{2183}', '\u{2184}'),
    ('\u{2c00}', '\u{2c7b}'),
    ('\u{2c7e}', '\u{2ce4}'),
    ('\u{2ceb}', '\u{2cee}'),
    ('\u{2cf2}', '\u{2cf3}'),
    ('\u{a640}', '\u{a66d}'),
    ('\u{a680}', '\u{a69b}'),
    ('\u{a722}', '\u{a76f}'),
    ('\u{a771}', '\u{a787}'),
    ('\u{a78b}', '\u{a78e}'),
    ('\u{ab70}', '\u{abbf}'),
    ('\u{fb00}', '\u{fb06}'),
    ('\u{fb13}', '\u{fb17}'),
    ('\u{ff21}', '\u{ff3a}'),
    ('\u{ff41}', '\u{ff5a}'),
    ('\u{10400}', '\u{1044f}'),
    ('\u{104b0}', '\u{104d3}'),
    ('\u{104d8}', '\u{104fb}'),
    ('\u{10c80}', '\u{10cb2}'),
    ('\u{10cc0}', '\u{10cf2}'),
    ('\u{118a0}', '\u{118df}'),
    ('\u{1e900}', '\u{1e943}'),
];
/// The punctuation that DeepSeek LLM lists.
const MARKS: &[(char, char)] =
    &[('!', '/'), (':', '~'), ('！', '／'), ('：', '～'), ('\u{2018}', '\u{201f}'), ('\u{3000}', '\u{3002}')];
/// The scripts that AFMoE lists.
const ASIAN: &[(char, char)] = &[
    ('一', '\u{9fff}'),
    ('\u{3400}', '\u{4dbf}'),
    // written as U+F900, which normalisation has made U+8C48
    ('\u{8c48}', '\u{faff}'),
    ('\u{3040}', '\u{30ff}'),
    ('\u{ff65}', '\u{ff9f}'),
    ('\u{2f00}', '\u{2fdf}'),
    ('\u{e40}', '\u{e7f}'),
    ('\u{e80}', '\u{eff}'),
    ('\u{1780}', '\u{17ff}'),
    ('\u{1000}', '\u{109f}'),
    ('\u{aa60}', '\u{aa7f}'),
    ('\u{a9e0}', '\u{a9ff}'),
    ('\u{ac00}', '\u{d7af}'),
    ('\u{1100}', '\u{11ff}'),
];

const fn family(names: &'static [&'static str], passes: &'static [Pass]) -> Family {
    Family { names, passes, spelling: Spelling::Bytes, ignore_merges: false, add_bos: false }
}

impl Family {
    const fn ignoring_merges(self) -> Self {
        Self { ignore_merges: true, ..self }
    }

    const fn adding_bos(self) -> Self {
        Self { add_bos: true, ..self }
    }

    const fn spelled_as_text(self) -> Self {
        Self { spelling: Spelling::Text, ..self }
    }
}

/// All of them.
pub const FAMILIES: &[Family] = &[
    family(
        &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        &[Pass::Rules(&[NUMBER]), GPT2],
    ),
    family(
        &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "gigachat",
            "exaone4",
            "mellum",
            "a.x-4.0",
            "modern-bert",
            "roberta-bpe",
            "jina-es",
            "jina-de",
            "jina-v1-en",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v2-code",
        ],
        &[GPT2],
    ),
    family(
        &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
        &[LLAMA3],
    )
    .ignoring_merges()
    .adding_bos(),
    family(&["smaug-bpe", "dbrx", "glm4", "chatglm-bpe"], &[LLAMA3]),
    family(
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "megrez",
            "kormo",
            "grok-2",
            "f2llmv2",
            "bailingmoe",
            "bailingmoe2",
            "llada-moe",
        ],
        &[QWEN2],
    ),
    family(&["qwen35"], &[QWEN35]),
    family(&["ufakzeka"], &[Pass::Rules(&[WORD, NUMBER, SIGNS_AND_BREAKS, Rule::LineBreaks, Rule::Spaces])]),
    family(&["laguna"], &[LINES, QWEN2]),
    family(
        &["seed-coder"],
        &[Pass::Rules(&[Rule::ContractionAnyCase, WORD, NUMBER, SIGNS, Rule::LineBreaks, Rule::Spaces])],
    ),
    family(
        &["exaone-moe"],
        &[Pass::Rules(&[
            Rule::ContractionAnyCase,
            Rule::Phrase,
            NUMBER,
            Run::of(Set::NoWord).after(Lead::Space).then(Tail::One(LINE_BREAKS_AND_SLASH)).rule(),
            Rule::LineBreaks,
            Rule::Spaces,
        ])],
    ),
    family(
        &["minicpm5"],
        &[
            Pass::Rules(&[NUMBERS_BY_THREE]),
            Pass::Rules(&[Rule::ContractionAnyCase, WORD, NUMBERS, SIGNS_AND_BREAKS, Rule::LineBreaks, Rule::Spaces]),
        ],
    )
    .ignoring_merges(),
    family(&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], &[GPT4O]),
    family(
        &["granite-embed-multi-97m"],
        &[Pass::Rules(&[
            Rule::CasedWord { marks: true, contraction: true },
            NUMBERS_BY_THREE,
            SIGNS_BREAKS_SLASHES,
            Rule::LineBreaks,
            Rule::Spaces,
        ])],
    )
    .ignoring_merges(),
    family(
        &["tiny_aya", "cohere2moe"],
        &[
            Pass::Threes(Threes::AfterFirst),
            Pass::Rules(&[
                Run::of(Set::LetterOrMark).after(Lead::NoWord).contracted().rule(),
                NUMBERS_BY_THREE,
                SIGNS_BREAKS_SLASHES,
                Rule::LineBreaks,
                Rule::Spaces,
            ]),
        ],
    ),
    family(&["tekken"], &[TEKKEN]).ignoring_merges().adding_bos(),
    family(
        &["youtu"],
        &[
            Pass::Rules(&[
                Run::of(Set::Ranges(&[('가', '힣'), ('ㄱ', 'ㆎ')])).rule(),
                Run::of(Set::Ranges(&[
                    ('！', '！'),
                    ('…', '…'),
                    ('\u{201c}', '\u{201d}'),
                    ('\u{2018}', '\u{2019}'),
                    ('—', '—'),
                    ('：', '：'),
                    ('；', '；'),
                    ('，', '，'),
                    ('、', '\u{303f}'),
                    ('\u{fe30}', '\u{fe4f}'),
                ]))
                .rule(),
                Run::of(Set::Ranges(&[('ㄅ', 'ㄯ')])).rule(),
                CJK,
            ]),
            Pass::Rules(&[
                Run::of(Set::LetterOrMark).after(Lead::NoWord).contracted().rule(),
                NUMBER,
                SIGNS_BREAKS_SLASHES,
                Rule::LineBreaks,
                Rule::Spaces,
            ]),
        ],
    )
    .ignoring_merges(),
    family(
        &["deepseek-llm"],
        &[
            EACH_BREAK,
            Pass::Rules(&[Run::of(Set::Ranges(CASED_LETTERS)).after(Lead::AnySpace).rule()]),
            Pass::Rules(&[Run::of(Set::Ranges(MARKS)).after(Lead::AnySpace).rule()]),
            Pass::SpacesAtEnd,
            EAST_ASIA,
            Pass::Rules(&[NUMBERS]),
        ],
    ),
    family(
        &["deepseek-coder"],
        &[
            EACH_BREAK,
            Pass::Rules(&[Run::of(Set::Letter).after(Lead::AnySpace).rule()]),
            Pass::Rules(&[Run::of(Set::Punctuation).after(Lead::AnySpace).rule()]),
            EAST_ASIA,
            Pass::Rules(&[NUMBER]),
        ],
    ),
    family(
        &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        &[Pass::Rules(&[NUMBERS_BY_THREE]), Pass::Rules(&[CJK]), DEEPSEEK3],
    ),
    family(
        &["spark2_5"],
        &[
            Pass::Rules(&[NUMBERS_BY_THREE]),
            Pass::Rules(&[CJK]),
            Pass::Rules(&[
                Run::of(Set::AsciiLetter).after(Lead::AsciiPunctuation).rule(),
                Run::of(Set::LetterOrMark).after(Lead::NoWordOrMark).rule(),
                Run::of(Set::PunctuationOrSymbol).after(Lead::Space).rule(),
                Run::of(Set::LineBreak).times(1, 1).rule(),
                Rule::Spaces,
            ]),
            Pass::Rules(&[NUMBER]),
        ],
    ),
    family(
        &["afmoe"],
        &[Pass::Threes(Threes::AfterFirst), Pass::Rules(&[Run::of(Set::Ranges(ASIAN)).rule()]), DEEPSEEK3],
    ),
    family(
        &["kimi-k2"],
        &[Pass::Rules(&[
            Run::of(Set::Han).rule(),
            Run::of(Set::LetterNotHan).after(Lead::NoWord).contracted().rule(),
            NUMBERS_BY_THREE,
            SIGNS_AND_BREAKS,
            Rule::LineBreaks,
            Rule::Spaces,
        ])],
    ),
    family(
        &["falcon"],
        &[Pass::Rules(&[Run::of(Set::PunctuationOr("$+<=>^~|`")).rule()]), GPT2, Pass::Rules(&[THREE_DIGITS])],
    ),
    family(&["superbpe"], &[Pass::Rules(&[NUMBERS]), Pass::Threes(Threes::Full)]),
    family(&["poro-chat", "bloom", "gpt3-finnish"], &[BLOOM]),
    family(&["viking"], &[BLOOM, Pass::Rules(&[NUMBER])]),
    family(&["gemma4", "granite-embed-multi-311m"], &[LINES]).spelled_as_text().adding_bos(),
    family(&["sarvam-moe"], &[LINES]).spelled_as_text(),
    // the empty name is a file from before the key existed
    family(
        &["default", ""],
        &[
            Pass::Rules(&[Run::of(Set::PunctuationOr("$+<=>^~|")).rule()]),
            GPT2,
            Pass::Rules(&[NUMBERS]),
            Pass::Rules(&[THREE_DIGITS]),
        ],
    ),
];

/// The family called `name`.
pub fn find(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.names.contains(&name))
}

/// The names of all supported pre-tokenizers, for messages.
pub fn names() -> String {
    let names = FAMILIES.iter().flat_map(|family| family.names).copied().filter(|name| !name.is_empty());
    names.collect::<Vec<_>>().join(", ")
}
