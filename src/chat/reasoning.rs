//! What a model thinks before it answers, told apart from the answer while both are generated.
//!
//! Whether a model does so is read from its template: it names the tags. Reasoning stands at the beginning of an answer
//! and only there; a tag in the middle of an answer is text, for instance in an answer about such tags. White space around
//! the tags belongs to neither part.

use super::ToolCall;

/// The tags around a model's reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags {
    /// Before it.
    pub open: &'static str,
    /// After it.
    pub close: &'static str,
}

/// The tags that are known: of DeepSeek, Qwen, SmolLM and most others; of Seed-OSS; of Mistral.
const KNOWN: [Tags; 3] = [
    Tags { open: "<think>", close: "</think>" },
    Tags { open: "<seed:think>", close: "</seed:think>" },
    Tags { open: "[THINK]", close: "[/THINK]" },
];

impl Tags {
    /// The tags that the source of a template names, if it names any.
    pub fn named_in(source: &str) -> Option<Self> {
        KNOWN.into_iter().find(|tags| source.contains(tags.open) || source.contains(tags.close))
    }
}

/// What may be shown now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Of the reasoning; comes before `text`.
    pub reasoning: String,
    /// Of the answer.
    pub text: String,
    /// Calls that are complete; a [`Splitter`] leaves them in the text for [`super::Calls`].
    pub calls: Vec<ToolCall>,
}

impl Pieces {
    /// Without calls.
    pub fn new(reasoning: impl Into<String>, text: impl Into<String>) -> Self {
        Self { reasoning: reasoning.into(), text: text.into(), calls: Vec::new() }
    }
}

/// Which part of a generation comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The answer, or a tag that opens reasoning.
    Undecided,
    /// Reasoning, or its opening tag once more.
    Reasoning,
    /// The answer.
    Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing but white space so far. If the prompt has opened the reasoning, a tag is only repeated.
    Beginning {
        is_open: bool,
    },
    /// In the reasoning, of which nothing has been shown yet.
    Opened,
    Reasoning,
    /// Behind the closing tag: white space is dropped.
    Closed,
    Text,
}

/// Splits generated text into reasoning and answer, however the text is cut into pieces.
///
/// ```
/// use pagelm::chat::{Splitter, Tags};
///
/// let tags = Tags::named_in("... <think> ...").unwrap();
/// let mut splitter = Splitter::new(tags, "<|assistant|>");
/// assert_eq!(splitter.push("<think>\nEasy.\n</th").reasoning, "Easy.");
/// assert_eq!(splitter.push("ink>\n\nFour").text, "Four");
/// ```
#[derive(Clone, Debug)]
pub struct Splitter {
    tags: Tags,
    place: Place,
    /// What may be the start of a tag, or white space before one.
    held: String,
    /// Whether an answer begins with a token: what stands behind the closing tag in its token is dropped.
    is_strict: bool,
}

impl Splitter {
    /// A splitter for what is generated after `prompt`, which may have opened the reasoning itself.
    pub fn new(tags: Tags, prompt: &str) -> Self {
        let is_open = prompt.trim_end().ends_with(tags.open);
        Self { tags, place: Place::Beginning { is_open }, held: String::new(), is_strict: false }
    }

    /// The same for an answer that is held to a grammar, all tokens of which count, white space too: [`Self::answer`] says where it
    /// begins.
    pub fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }

    /// The tags.
    pub fn tags(&self) -> Tags {
        self.tags
    }

    /// What comes next.
    pub fn stage(&self) -> Stage {
        match self.place {
            Place::Beginning { is_open: false } => Stage::Undecided,
            Place::Beginning { is_open: true } | Place::Opened | Place::Reasoning => Stage::Reasoning,
            Place::Closed | Place::Text => Stage::Answer,
        }
    }

    /// Takes all that follows for the answer.
    pub fn answer(&mut self) {
        self.place = Place::Text;
    }

    /// Takes more text.
    pub fn push(&mut self, text: &str) -> Pieces {
        let mut pieces = Pieces::default();
        self.held.push_str(text);
        while self.step(&mut pieces) {}
        pieces
    }

    /// The end of the text: gives what was held back.
    pub fn finish(&mut self) -> Pieces {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Beginning { is_open: true } | Place::Opened => Pieces::new(held.trim(), ""),
            Place::Reasoning => Pieces::new(held.trim_end(), ""),
            Place::Beginning { is_open: false } | Place::Closed | Place::Text => Pieces::new("", held),
        }
    }

    /// Moves on as far as the text at hand decides; whether there may be more to decide.
    fn step(&mut self, pieces: &mut Pieces) -> bool {
        match self.place {
            Place::Beginning { is_open } => self.begin(is_open),
            Place::Opened => {
                self.held.drain(..self.held.len() - self.held.trim_start().len());
                let is_begun = !self.held.is_empty();
                if is_begun {
                    self.place = Place::Reasoning;
                }
                is_begun
            }
            Place::Reasoning => self.reason(pieces),
            Place::Closed => {
                self.held.drain(..self.held.len() - self.held.trim_start().len());
                let is_begun = !self.held.is_empty();
                if is_begun {
                    self.place = Place::Text;
                }
                is_begun
            }
            Place::Text => {
                pieces.text.push_str(&std::mem::take(&mut self.held));
                false
            }
        }
    }

    fn begin(&mut self, is_open: bool) -> bool {
        let start = self.held.trim_start();
        if let Some(rest) = start.strip_prefix(self.tags.open) {
            self.held = rest.to_string();
            self.place = Place::Opened;
            return true;
        }
        if self.tags.open.starts_with(start) {
            return false; // not decided
        }
        self.place = if is_open { Place::Opened } else { Place::Text };
        true
    }

    fn reason(&mut self, pieces: &mut Pieces) -> bool {
        let close = self.tags.close;
        if let Some((reasoning, rest)) = self.held.split_once(close) {
            pieces.reasoning.push_str(reasoning.trim_end());
            self.held = if self.is_strict { String::new() } else { rest.to_string() };
            self.place = if self.is_strict { Place::Text } else { Place::Closed };
            return true;
        }
        let may_be_tag =
            (1..close.len()).rev().find(|&n| close.get(..n).is_some_and(|start| self.held.ends_with(start)));
        let before = self.held.len() - may_be_tag.unwrap_or(0);
        let shown = self.held.get(..before).map_or(0, |text| text.trim_end().len());
        pieces.reasoning.extend(self.held.drain(..shown));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::SplitMix64;

    const TAGS: Tags = KNOWN[0];

    fn whole(text: &str, prompt: &str) -> Pieces {
        in_pieces([text], prompt)
    }

    fn in_pieces<'t>(texts: impl IntoIterator<Item = &'t str>, prompt: &str) -> Pieces {
        let mut splitter = Splitter::new(TAGS, prompt);
        let mut all = Pieces::default();
        let mut take = |pieces: Pieces| {
            assert!(pieces.reasoning.is_empty() || all.text.is_empty(), "reasoning after the answer began");
            all.reasoning += &pieces.reasoning;
            all.text += &pieces.text;
        };
        texts.into_iter().for_each(|text| take(splitter.push(text)));
        take(splitter.finish());
        all
    }

    /// The definition: the parts of a whole text.
    fn by_definition(text: &str, is_open: bool) -> Pieces {
        let start = text.trim_start();
        let inside = match start.strip_prefix(TAGS.open) {
            Some(inside) => inside,
            None if is_open => start,
            None => return Pieces::new("", text),
        };
        let (reasoning, text) = inside.split_once(TAGS.close).unwrap_or((inside, ""));
        Pieces::new(reasoning.trim(), text.trim_start())
    }

    #[test]
    fn what_models_write() {
        let cases = [
            ("", "<think>\na b\n</think>\n\nc", "a b", "c"),
            ("", "<think>\n\n</think>\n\nc", "", "c"),
            ("", "c <think>d</think>", "", "c <think>d</think>"),
            ("", " \n c", "", " \n c"),
            ("", "<think>not closed\n", "not closed", ""),
            ("", "<thin", "", "<thin"),
            ("", "<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
            ("<|im_start|>assistant\n<think>\n", "a\n</think>\n\nc", "a", "c"),
            ("<|im_start|>assistant\n<think>\n", "<think>\na</think>c", "a", "c"),
            ("<|im_start|>assistant\n<think>\n", "a < b </thin", "a < b </thin", ""),
            ("<|im_start|>assistant\n<think>\n\n</think>\n\n", "c", "", "c"),
            ("What is <think>?<|assistant|>", "c", "", "c"),
        ];
        for (prompt, generated, reasoning, text) in cases {
            let expected = Pieces::new(reasoning, text);
            assert_eq!(whole(generated, prompt), expected, "{prompt:?} {generated:?}");
        }
    }

    #[test]
    fn the_parts_do_not_depend_on_the_pieces() {
        let mut random = SplitMix64::new(11);
        let mut next = |below: usize| (random.next_u64() % below as u64) as usize;
        let parts = ["<think>", "</think>", "<", "</", "think>", " ", "\n", "é", "🎨", "a", "<think", "</thin"];
        let (mut with_both, mut open) = (0, 0);
        for _ in 0..30_000 {
            let text: String = (0..next(12)).map(|_| parts[next(parts.len())]).collect();
            let is_open = next(2) == 0;
            let (mut pieces, mut rest) = (Vec::new(), text.as_str());
            while !rest.is_empty() {
                let mut at = 1 + next(rest.len());
                while !rest.is_char_boundary(at) {
                    at += 1;
                }
                pieces.push(&rest[..at]);
                rest = &rest[at..];
            }
            let split = in_pieces(pieces.iter().copied(), if is_open { "<think>\n" } else { "" });
            assert_eq!(split, by_definition(&text, is_open), "{pieces:?}, open: {is_open}");
            with_both += usize::from(!split.reasoning.is_empty() && !split.text.is_empty());
            open += usize::from(is_open);
        }
        assert!(with_both > 500 && open > 10_000, "{with_both} {open}");
    }

    #[test]
    fn reasoning_is_shown_as_soon_as_it_cannot_be_a_tag() {
        let mut splitter = Splitter::new(TAGS, "<think>");
        let shown: Vec<String> = ["a", " <", "b", "\n", "</", "c"].map(|text| splitter.push(text).reasoning).into();
        assert_eq!(shown, ["a", "", " <b", "", "", "\n</c"]);
    }

    /// What follows a closing tag in the same token is no part of an answer that is held to a grammar, and what comes then is, white
    /// space and tags too.
    #[test]
    fn a_strict_answer_begins_with_a_token() {
        let mut splitter = Splitter::new(TAGS, "").strict();
        assert_eq!(splitter.stage(), Stage::Undecided);
        assert_eq!(splitter.push("<think>a"), Pieces::new("a", ""));
        assert_eq!(splitter.stage(), Stage::Reasoning);
        assert_eq!(splitter.push("</think>\n{"), Pieces::default());
        assert_eq!(splitter.stage(), Stage::Answer);
        assert_eq!(splitter.push(" <think>"), Pieces::new("", " <think>"));

        let mut splitter = Splitter::new(TAGS, "<think>").strict();
        assert_eq!(splitter.stage(), Stage::Reasoning);
        assert_eq!(splitter.push("</think>").text, "");
        assert_eq!(splitter.push("\n1").text, "\n1");

        let mut splitter = Splitter::new(TAGS, "").strict();
        splitter.answer();
        assert_eq!((splitter.push(" <think>"), splitter.stage()), (Pieces::new("", " <think>"), Stage::Answer));
    }

    #[test]
    fn tags_are_those_that_the_template_names() {
        assert_eq!(Tags::named_in("{% if x %}</think>{% endif %}"), Some(KNOWN[0]));
        assert_eq!(Tags::named_in("[THINK]"), Some(KNOWN[2]));
        assert_eq!(Tags::named_in("<seed:think>").map(|tags| tags.close), Some("</seed:think>"));
        assert_eq!(Tags::named_in(crate::chat::DEFAULT_TEMPLATE), None);
    }
}
