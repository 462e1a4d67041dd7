//! The parts that pre-tokenizers' regular expressions are made of, as code: each says where its match ends, if there is
//! one. A regular expression is then a list of rules, of which the first that matches counts.
//!
//! No rule goes back over more than it has matched, so that a text takes linear time.

use super::classes::{Char, Class};

/// One alternative of a regular expression.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// `'s|'t|'re|'ve|'m|'ll|'d`
    Contraction,
    /// The same with capital letters as well.
    ContractionAnyCase,
    /// One character in front, many of a set, some after.
    Run(Run),
    /// A word that may begin in capitals: `[^\r\n\p{L}\p{N}]?U*V+` or, if that does not match, `[^\r\n\p{L}\p{N}]?U+V*`,
    /// where U is a letter except a-z and V a letter except A-Z. With `marks`, `\p{M}` counts as a letter; with
    /// `contraction`, a contraction in any case belongs to the word.
    CasedWord { marks: bool, contraction: bool },
    /// Words with one space between them: `[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`
    Phrase,
    /// `\s*[\r\n]+`
    LineBreaks,
    /// `\s+(?!\S)|\s+`: a run of white space leaves its last character to what follows, unless it has only one.
    Spaces,
}

/// `lead of{least,most} tail contraction`
#[derive(Clone, Copy, Debug)]
pub struct Run {
    lead: Lead,
    of: Set,
    least: usize,
    most: usize,
    tail: Tail,
    contraction: bool,
}

/// What may stand before a run; taken if the run goes on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Nothing.
    None,
    /// ` ?`
    Space,
    /// `\s?`
    AnySpace,
    /// `[^\r\n\p{L}\p{N}]?`
    NoWord,
    /// `[^\r\n\p{L}\p{P}\p{S}]?`
    NoWordOrMark,
    /// One of the ASCII punctuation characters, and it must be there.
    AsciiPunctuation,
}

/// What belongs to a run after its end.
#[derive(Clone, Copy, Debug)]
pub enum Tail {
    /// Nothing.
    None,
    /// Any number of these.
    Any(&'static [char]),
    /// One of these, if there is one.
    One(&'static [char]),
}

/// A set of characters.
#[derive(Clone, Copy, Debug)]
pub enum Set {
    /// `\p{L}`
    Letter,
    /// `[\p{L}\p{M}]`
    LetterOrMark,
    /// A letter that is not Han.
    LetterNotHan,
    /// Han, by llama.cpp's blocks.
    Han,
    /// `\p{N}`
    Number,
    /// `[0-9]`
    AsciiDigit,
    /// `[A-Za-z]`
    AsciiLetter,
    /// `\p{P}`
    Punctuation,
    /// `[\p{P}\p{S}]`
    PunctuationOrSymbol,
    /// `\p{P}` and these.
    PunctuationOr(&'static str),
    /// `[^\s\p{L}\p{N}]`
    NoWord,
    /// `[^\s\p{L}\p{M}\p{N}]`
    NoWordOrMark,
    /// `[\r\n]`
    LineBreak,
    /// `\n`
    LineFeed,
    /// `[^\n]`
    NotLineFeed,
    /// From the first to the second of each pair, white space excepted.
    Ranges(&'static [(char, char)]),
    /// Neither white space nor one of these.
    NoneOf(&'static str),
}

/// Both ends of a line.
pub const LINE_BREAKS: &[char] = &['\r', '\n'];
/// As some regular expressions have them.
pub const LINE_BREAKS_AND_SLASH: &[char] = &['\r', '\n', '/'];

/// Han characters, with the compatibility ideographs.
const HAN: &[(char, char)] = &[
    ('\u{3400}', '\u{4dbf}'),
    ('\u{4e00}', '\u{9fff}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{20000}', '\u{2a6df}'),
    ('\u{2a700}', '\u{2ebef}'),
    ('\u{2f800}', '\u{2fa1f}'),
];

impl Set {
    fn has(self, Char { c, class, .. }: Char) -> bool {
        let within = |ranges: &[(char, char)]| ranges.iter().any(|&(first, last)| (first..=last).contains(&c));
        match self {
            Self::Letter => class == Class::Letter,
            Self::LetterOrMark => matches!(class, Class::Letter | Class::Mark),
            Self::LetterNotHan => class == Class::Letter && !within(HAN),
            Self::Han => within(HAN),
            Self::Number => class == Class::Number,
            Self::AsciiDigit => c.is_ascii_digit(),
            Self::AsciiLetter => c.is_ascii_alphabetic(),
            Self::Punctuation => class == Class::Punctuation,
            Self::PunctuationOrSymbol => matches!(class, Class::Punctuation | Class::Symbol),
            Self::PunctuationOr(others) => class == Class::Punctuation || others.contains(c),
            Self::NoWord => !matches!(class, Class::Space | Class::Letter | Class::Number),
            Self::NoWordOrMark => !matches!(class, Class::Space | Class::Letter | Class::Number | Class::Mark),
            Self::LineBreak => matches!(c, '\r' | '\n'),
            Self::LineFeed => c == '\n',
            Self::NotLineFeed => c != '\n',
            Self::Ranges(ranges) => class != Class::Space && within(ranges),
            Self::NoneOf(others) => class != Class::Space && !others.contains(c),
        }
    }
}

impl Lead {
    fn has(self, Char { c, class, .. }: Char) -> bool {
        let is_break = matches!(c, '\r' | '\n');
        match self {
            Self::None => false,
            Self::Space => c == ' ',
            Self::AnySpace => class == Class::Space,
            Self::NoWord => !is_break && !matches!(class, Class::Letter | Class::Number),
            Self::NoWordOrMark => !is_break && !matches!(class, Class::Letter | Class::Punctuation | Class::Symbol),
            Self::AsciiPunctuation => c.is_ascii_punctuation(),
        }
    }
}

impl Run {
    /// `of+`
    pub const fn of(of: Set) -> Self {
        Self { lead: Lead::None, of, least: 1, most: usize::MAX, tail: Tail::None, contraction: false }
    }

    /// With something in front.
    pub const fn after(self, lead: Lead) -> Self {
        Self { lead, ..self }
    }

    /// Not fewer and not more.
    pub const fn times(self, least: usize, most: usize) -> Self {
        Self { least, most, ..self }
    }

    /// With something behind.
    pub const fn then(self, tail: Tail) -> Self {
        Self { tail, ..self }
    }

    /// With a contraction in any case behind, if there is one.
    pub const fn contracted(self) -> Self {
        Self { contraction: true, ..self }
    }

    /// The rule.
    pub const fn rule(self) -> Rule {
        Rule::Run(self)
    }

    fn end(self, chars: &[Char], at: usize) -> Option<usize> {
        let led = chars.get(at).filter(|&&c| self.lead.has(c)).and_then(|_| self.body(chars, at + 1));
        led.or_else(|| if self.lead == Lead::AsciiPunctuation { None } else { self.body(chars, at) })
    }

    fn body(self, chars: &[Char], start: usize) -> Option<usize> {
        let rest = chars.get(start..)?;
        let length = rest.iter().take(self.most).take_while(|&&c| self.of.has(c)).count();
        if length < self.least {
            return None;
        }
        let end = start + length;
        let end = match self.tail {
            Tail::None => end,
            Tail::Any(tail) => end + count(chars, end, |c| tail.contains(&c.c)),
            Tail::One(tail) => end + usize::from(chars.get(end).is_some_and(|c| tail.contains(&c.c))),
        };
        Some(if self.contraction { after_contraction(chars, end) } else { end })
    }
}

impl Rule {
    /// Where the match that begins at `at` ends, if there is one; always behind `at`.
    pub fn end(self, chars: &[Char], at: usize) -> Option<usize> {
        match self {
            Self::Contraction => contraction(chars, at, |c| c),
            Self::ContractionAnyCase => contraction(chars, at, |c| c.to_ascii_lowercase()),
            Self::Run(run) => run.end(chars, at),
            Self::CasedWord { marks, contraction } => {
                let end = cased_word(chars, at, marks)?;
                Some(if contraction { after_contraction(chars, end) } else { end })
            }
            Self::Phrase => {
                let led = chars.get(at).filter(|&&c| Lead::NoWord.has(c)).and_then(|_| phrase(chars, at + 1));
                led.or_else(|| phrase(chars, at))
            }
            Self::LineBreaks => line_breaks(chars, at),
            Self::Spaces => spaces(chars, at),
        }
    }
}

/// How many characters from `at` on are alike.
fn count(chars: &[Char], at: usize, alike: impl Fn(&Char) -> bool) -> usize {
    chars.get(at..).map_or(0, |rest| rest.iter().take_while(|c| alike(c)).count())
}

fn contraction(chars: &[Char], at: usize, fold: impl Fn(char) -> char) -> Option<usize> {
    let letter = |offset: usize| chars.get(at + offset).map(|c| fold(c.c));
    match (letter(0)?, letter(1)?, letter(2)) {
        ('\'', 's' | 't' | 'm' | 'd', _) => Some(at + 2),
        ('\'', 'r' | 'v', Some('e')) | ('\'', 'l', Some('l')) => Some(at + 3),
        _ => None,
    }
}

fn after_contraction(chars: &[Char], end: usize) -> usize {
    Rule::ContractionAnyCase.end(chars, end).unwrap_or(end)
}

fn cased_word(chars: &[Char], at: usize, marks: bool) -> Option<usize> {
    let has_lead = chars.get(at).is_some_and(|&c| Lead::NoWord.has(c));
    let starts = [Some(at + 1).filter(|_| has_lead), Some(at)];
    let tries = |word: fn(&[Char], usize, bool) -> Option<usize>| {
        starts.into_iter().flatten().find_map(|start| word(chars, start, marks))
    };
    tries(small_word).or_else(|| tries(capital_word))
}

fn is_letter(c: &Char, marks: bool) -> bool {
    c.class == Class::Letter || marks && c.class == Class::Mark
}

fn is_upper(c: &Char, marks: bool) -> bool {
    is_letter(c, marks) && !c.c.is_ascii_lowercase()
}

fn is_lower(c: &Char, marks: bool) -> bool {
    is_letter(c, marks) && !c.c.is_ascii_uppercase()
}

/// `U*V+`
fn small_word(chars: &[Char], start: usize, marks: bool) -> Option<usize> {
    let uppers = count(chars, start, |c| is_upper(c, marks));
    let end = start + uppers + count(chars, start + uppers, |c| is_lower(c, marks));
    if end > start + uppers {
        return Some(end);
    }
    // U* gives back what it must: up to the last letter that is both
    chars.get(start..end)?.iter().rposition(|c| is_lower(c, marks)).map(|last| start + last + 1)
}

/// `U+V*`
fn capital_word(chars: &[Char], start: usize, marks: bool) -> Option<usize> {
    let uppers = count(chars, start, |c| is_upper(c, marks));
    let end = start + uppers;
    (uppers > 0).then(|| end + count(chars, end, |c| is_lower(c, marks)))
}

fn phrase(chars: &[Char], start: usize) -> Option<usize> {
    let letter = |at: usize| chars.get(at).is_some_and(|c| c.class == Class::Letter);
    let syllable = |at: usize| at + 1 + count(chars, at + 1, |c| c.class == Class::Mark);
    let mut end = letter(start).then(|| syllable(start))?;
    loop {
        if letter(end) {
            end = syllable(end);
        } else if chars.get(end).is_some_and(|c| c.c == ' ') && letter(end + 1) {
            end = syllable(end + 1);
        } else {
            return Some(end);
        }
    }
}

fn run_of_spaces(chars: &[Char], at: usize) -> usize {
    count(chars, at, |c| c.class == Class::Space)
}

fn line_breaks(chars: &[Char], at: usize) -> Option<usize> {
    let run = chars.get(at..at + run_of_spaces(chars, at))?;
    run.iter().rposition(|c| matches!(c.c, '\r' | '\n')).map(|last| at + last + 1)
}

fn spaces(chars: &[Char], at: usize) -> Option<usize> {
    let length = run_of_spaces(chars, at);
    let is_at_end = at + length == chars.len();
    (length > 0).then(|| at + if length > 1 && !is_at_end { length - 1 } else { length })
}
