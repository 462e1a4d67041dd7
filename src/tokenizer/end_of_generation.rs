//! Which tokens end a generation, and which token types a name overrides.
//!
//! Files rarely list all of them, so llama.cpp (`llama_vocab::impl::load`) also goes by name; its lists are kept.

use std::collections::BTreeSet;

use super::vocabulary::{TokenType, Vocabulary};

/// Names that end a generation in whatever vocabulary they appear.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Names of the padding, repository and file separators of code models: after one of them another file begins.
const CODE_SEPARATORS: &[&str] = &[
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// Other names of code models, which are control tokens whatever the file says.
const CODE_MARKS: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
];

/// Names whose text is always shown: the message structure of gpt-oss.
const SHOWN: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// The ids that end a generation; `find` gives the id of a spelling, and `types` (vocabulary) are corrected where a name overrides the file.
pub fn end_of_generation(
    vocabulary: &Vocabulary<'_>,
    find: impl Fn(&str) -> Option<u32>,
    types: &mut [TokenType],
) -> BTreeSet<u32> {
    let mut ends = BTreeSet::new();
    let mut set = |name: &str, token_type: TokenType| {
        let id = find(name)?;
        *types.get_mut(id as usize)? = token_type;
        Some(id)
    };
    ends.extend(ENDS.iter().chain(CODE_SEPARATORS).filter_map(|name| set(name, TokenType::Control)));
    for name in CODE_MARKS {
        set(name, TokenType::Control);
    }
    for name in SHOWN {
        set(name, TokenType::UserDefined);
    }
    ends.extend([vocabulary.eos, vocabulary.eot].into_iter().flatten());
    ends.extend(&vocabulary.end_of_generation);

    let ended_by = |ends: &BTreeSet<u32>, name: &str| find(name).is_some_and(|id| ends.contains(&id));
    // where a turn ends otherwise, <|end|> only ends a message within it
    let has_call = ended_by(&ends, "<|call|>") || ended_by(&ends, "<|calls|>");
    if has_call
        && (ended_by(&ends, "<|return|>") || ended_by(&ends, "<|flush|>"))
        && let Some(id) = set("<|end|>", TokenType::UserDefined)
    {
        ends.remove(&id);
    }
    if ended_by(&ends, "<|tool_response>")
        && let Some(id) = set("</s>", TokenType::Normal)
    {
        ends.remove(&id);
    }
    ends
}
