use super::*;
use crate::ErrorKind::{InvalidArgument, InvalidModel, UnsupportedTokenizer};

/// All bytes, then some merges and special tokens.
fn vocabulary() -> Vocabulary<'static> {
    let mut tokens: Vec<String> = (0..=255).map(|byte| bytes::char_of_byte(byte).to_string()).collect();
    let mut token_types = vec![1; tokens.len()];
    for (text, token_type) in
        [("aa", 1), ("aaaa", 1), ("aab", 1), ("<|im_end|>", 3), ("<tool>", 4), ("<hidden>", 3), ("unused", 5)]
    {
        tokens.push(text.into());
        token_types.push(token_type);
    }
    let merges = ["a a", "aa aa", "aa b"].map(String::from).to_vec().into();
    let (tokens, token_types) = (tokens.into(), token_types.into());
    let (model, pre) = ("gpt2".into(), "smollm".into());
    Vocabulary { model, pre, tokens, token_types, merges, ..Default::default() }
}

fn tokenizer() -> Tokenizer {
    Tokenizer::new(vocabulary()).unwrap()
}

const A: u32 = 97;
const AA: u32 = 256;
const AAAA: u32 = 257;
const AAB: u32 = 258;
const IM_END: u32 = 259;
const TOOL: u32 = 260;
const HIDDEN: u32 = 261;
const UNUSED: u32 = 262;

#[test]
fn merges_go_by_rank_and_then_from_the_left() {
    let encode = |text| tokenizer().encode(text, false, false).unwrap();
    assert_eq!(encode("aaa"), [AA, A]);
    assert_eq!(encode("aaab"), [AA, A, 98]);
    assert_eq!(encode("aab"), [AAB]);
    assert_eq!(encode("aaaaaaa"), [AAAA, AA, A]);
    assert_eq!(encode(""), [0; 0]);
}

#[test]
fn every_text_comes_back() {
    let tokenizer = tokenizer();
    for text in ["", " a\u{0}é🎨\u{10ffff}\r\n", "<tool><hidden>aaaa  1234", "\u{feff}ﬀ\u{301}"] {
        for (add, parse) in [(false, false), (true, true)] {
            let ids = tokenizer.encode(text, add, parse).unwrap();
            assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
        }
    }
}

#[test]
fn control_tokens_need_to_be_asked_for_both_ways() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.encode("<hidden>a<tool>", false, true).unwrap(), [HIDDEN, A, TOOL]);
    assert_eq!(*tokenizer.encode("<hidden>a<tool>", false, false).unwrap().last().unwrap(), TOOL);
    assert_eq!(tokenizer.encode("<hidden>", false, false).unwrap().len(), 8);
    assert_eq!(tokenizer.decode(&[HIDDEN, A, TOOL, UNUSED], false).unwrap(), "a<tool>");
    assert_eq!(tokenizer.decode(&[HIDDEN, A, TOOL, UNUSED], true).unwrap(), "<hidden>a<tool>");
    assert!(tokenizer.is_control(HIDDEN) && !tokenizer.is_control(TOOL) && !tokenizer.is_control(9999));
}

#[test]
fn bos_and_eos_are_added_where_the_file_says() {
    let mut vocabulary = vocabulary();
    (vocabulary.bos, vocabulary.eos) = (Some(HIDDEN), Some(IM_END));
    assert_eq!(Tokenizer::new(vocabulary.clone()).unwrap().encode("a", true, false).unwrap(), [A]);
    (vocabulary.add_bos, vocabulary.add_eos) = (Some(true), Some(true));
    let both = Tokenizer::new(vocabulary.clone()).unwrap();
    assert_eq!(both.encode("a", true, false).unwrap(), [HIDDEN, A, IM_END]);
    assert_eq!(both.encode("a", false, false).unwrap(), [A]);
    (vocabulary.add_bos, vocabulary.add_eos) = (None, None);
    vocabulary.pre = "llama-bpe".into();
    assert!(Tokenizer::new(vocabulary.clone()).unwrap().adds_bos());
    vocabulary.bos = None;
    assert!(!Tokenizer::new(vocabulary).unwrap().adds_bos());
}

#[test]
fn a_generation_ends_by_id_or_by_name() {
    let mut vocabulary = vocabulary();
    vocabulary.end_of_generation = vec![TOOL];
    vocabulary.eos = Some(HIDDEN);
    let ends: Vec<u32> = Tokenizer::new(vocabulary).unwrap().end_of_generation().collect();
    assert_eq!(ends, [IM_END, TOOL, HIDDEN]);
}

#[test]
fn a_message_end_is_no_turn_end_where_calls_exist() {
    let mut vocabulary = vocabulary();
    let names = ["<|end|>", "<|return|>", "<|call|>", "<|start|>"];
    vocabulary.tokens.to_mut().extend(names.map(String::from));
    vocabulary.token_types.to_mut().extend([3; 4]);
    let tokenizer = Tokenizer::new(vocabulary).unwrap();
    let ends: Vec<u32> = tokenizer.end_of_generation().collect();
    assert_eq!(ends, [IM_END, 264, 265]);
    assert_eq!(tokenizer.decode(&[263, 264, 266], false).unwrap(), "<|end|><|start|>");
}

#[test]
fn a_stream_never_splits_a_character_and_equals_the_whole() {
    let tokenizer = tokenizer();
    let byte = |byte: u8| u32::from(byte);
    let mut stream = Detokenizer::new(false);
    let parts: Vec<String> = "é🎨".bytes().map(|b| stream.push(&tokenizer, byte(b)).unwrap()).collect();
    assert_eq!(parts, ["", "é", "", "", "", "🎨"]);
    assert_eq!(stream.push(&tokenizer, byte(0xf0)).unwrap(), "");
    assert_eq!(stream.push(&tokenizer, 9999).unwrap_err().kind(), InvalidArgument);
    assert_eq!(stream.push(&tokenizer, byte(0x9f)).unwrap(), "");
    assert_eq!(stream.push(&tokenizer, A).unwrap(), "\u{fffd}a");
    assert_eq!(stream.push(&tokenizer, byte(0xc3)).unwrap(), "");
    assert_eq!((stream.finish(), stream.finish()), ("\u{fffd}".into(), String::new()));

    let mut random = crate::sampling::SplitMix64::new(3);
    let hostile = [0x61, 0x80, 0xbf, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f, 0x8e, 0xa8, 0xf4, 0xff];
    for _ in 0..2000 {
        let ids: Vec<u32> = (0..random.next_u64() % 12).map(|_| hostile[random.next_u64() as usize % 16]).collect();
        let mut stream = Detokenizer::new(false);
        let mut text: String = ids.iter().map(|&id| stream.push(&tokenizer, id).unwrap()).collect();
        text += &stream.finish();
        assert_eq!(text, tokenizer.decode(&ids, false).unwrap(), "{ids:x?}");
    }
}

#[test]
fn hostile_descriptions_are_typed_errors() {
    type Change = fn(&mut Vocabulary<'static>);
    let cases: [(Change, ErrorKind, &str); 16] = [
        (|v| v.model = "bert".into(), UnsupportedTokenizer, "\"bert\", WordPiece"),
        (|v| v.model = "t5".into(), UnsupportedTokenizer, "\"t5\", unigram"),
        (|v| (v.model, v.scores) = ("llama".into(), vec![1.0; 7].into()), InvalidModel, "7"),
        (|v| v.pre = "klingon".into(), UnsupportedTokenizer, "klingon"),
        (|v| v.tokens.to_mut().clear(), InvalidModel, "0 tokens"),
        (|v| v.tokens.to_mut()[5] = "a".into(), InvalidModel, "5"),
        (|v| v.token_types.to_mut().truncate(7), InvalidModel, "7"),
        (|v| v.merges.to_mut().push("a zz".into()), InvalidModel, "merge 3"),
        (|v| v.merges.to_mut().push("a b".into()), InvalidModel, "merge 3"),
        (|v| v.merges.to_mut().push("aa".into()), InvalidModel, "merge 3"),
        (|v| v.merges.to_mut().push(String::new()), InvalidModel, "merge 3"),
        (|v| v.merges.to_mut().push("é".repeat(1 << 20)), InvalidModel, "merge 3"),
        (|v| v.bos = Some(4000), InvalidModel, "4000"),
        (|v| v.end_of_generation.push(u32::MAX), InvalidModel, "4294967295"),
        (|v| v.add_eos = Some(true), InvalidModel, "eos"),
        (|v| v.tokens.to_mut()[260] = "x".repeat(1 << 20), InvalidModel, "1048576"),
    ];
    for (change, kind, value) in cases {
        let mut vocabulary = vocabulary();
        change(&mut vocabulary);
        let error = Tokenizer::new(vocabulary).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.detail().contains(value) && error.detail().len() < 1200, "{error}");
    }
}

#[test]
fn odd_but_harmless_descriptions_are_accepted() {
    let mut vocabulary = vocabulary();
    vocabulary.tokens.to_mut().extend([String::new(), String::new()]); // padding
    vocabulary.token_types.to_mut().clear();
    vocabulary.merges.to_mut().push("a a".into());
    let tokenizer = Tokenizer::new(vocabulary).unwrap();
    assert_eq!(tokenizer.encode("aaa<tool>", false, true).unwrap().len(), 2 + 6);
    assert_eq!(tokenizer.piece(263).unwrap(), b"");
}

#[test]
fn ids_out_of_range_are_refused_with_value_and_limit() {
    let error = tokenizer().decode(&[1, 263], true).unwrap_err();
    assert_eq!(
        (error.kind(), error.detail()),
        (InvalidArgument, "token id 263 is not below the vocabulary's size 263")
    );
    assert!(!tokenizer().is_end_of_generation(u32::MAX));
}

#[test]
fn a_megabyte_in_one_word_is_not_quadratic() {
    let tokenizer = tokenizer();
    for unit in ["a", "<", "\u{e9}", " "] {
        let text = unit.repeat((1 << 20) / unit.len());
        let ids = tokenizer.encode(&text, true, true).unwrap();
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
    }
}
