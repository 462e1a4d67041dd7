use std::time::{Duration, Instant};

use super::*;

const WORDS: [&str; 10] = ["{\"", "\":", "\", \"", "true", "name", "age", "  ", "1", "</s>", "<|end|>"];
const ENDS: [u32; 2] = [264, 265];

/// Every byte, some words of JSON, and two ends.
fn grammars() -> Grammars {
    let bytes: Vec<Vec<u8>> = (0..=255).map(|b| vec![b]).collect();
    let tokens: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).chain(WORDS.iter().map(|w| w.as_bytes())).collect();
    Grammars::new(&pack(&tokens, &ENDS)).unwrap()
}

fn text_of(id: u32) -> Vec<u8> {
    match WORDS.get((id as usize).wrapping_sub(256)) {
        Some(word) => word.as_bytes().to_vec(),
        None => vec![id as u8],
    }
}

/// What is allowed, by id.
fn ids(mask: &[u32]) -> Vec<u32> {
    (0..32 * mask.len() as u32).filter(|id| (mask[*id as usize / 32] >> (id % 32)) & 1 == 1).collect()
}

/// Writes an answer by choosing at random, with an end where there is one if `ends`; at most so many tokens. Whether it was complete,
/// and the longest step.
fn write(grammar: &mut Grammar, seed: u64, most: usize, ends: bool) -> Result<(Vec<u8>, bool, Duration)> {
    let (mut text, mut random, mut longest) = (Vec::new(), seed, Duration::ZERO);
    for _ in 0..most {
        let begun = Instant::now();
        let Some(mask) = grammar.mask()? else { return Ok((text, true, longest)) };
        let mut ids = ids(&mask);
        if ends && ids.iter().any(|id| ENDS.contains(id)) {
            return Ok((text, true, longest));
        }
        ids.retain(|id| !ENDS.contains(id));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = ids[(random >> 33) as usize % ids.len()];
        grammar.accept(id)?;
        longest = longest.max(begun.elapsed());
        text.extend(text_of(id));
    }
    Ok((text, false, longest))
}

#[test]
fn schemas_give_json_that_fits() {
    let grammars = grammars();
    let schema = r#"{"type":"object","properties":{"name":{"type":"string","maxLength":8},"age":{"type":"integer","minimum":0,"maximum":150}},
        "required":["name","age"],"additionalProperties":false}"#;
    for seed in 0..200 {
        let (text, is_complete, _) =
            write(&mut grammars.start(Kind::JsonSchema, schema).unwrap(), seed, 500, true).unwrap();
        assert!(is_complete);
        let value: Value = serde_json::from_slice(&text).unwrap();
        let (name, age) = (value["name"].as_str().unwrap(), value["age"].as_i64().unwrap());
        assert!(name.chars().count() <= 8 && (0..=150).contains(&age), "{value}");
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["name", "age"]);
    }
    for seed in 0..50 {
        let (text, is_complete, _) =
            write(&mut grammars.start(Kind::JsonSchema, "{}").unwrap(), seed, 2000, true).unwrap();
        if is_complete && let Err(error) = serde_json::from_slice::<Value>(&text) {
            assert!(error.to_string().starts_with("number out of range"), "{error}"); // which is JSON all the same
        }
    }
}

/// White space between the parts is possible, and has an end.
#[test]
fn white_space_is_bounded() {
    let mut grammar = grammars().start(Kind::JsonSchema, r#"{"type":"array"}"#).unwrap();
    grammar.accept(u32::from(b'[')).unwrap();
    let mut spaces = 0;
    while spaces < 100 && ids(&grammar.mask().unwrap().unwrap()).contains(&u32::from(b' ')) {
        grammar.accept(u32::from(b' ')).unwrap();
        spaces += 1;
    }
    assert_eq!(spaces, 32);
    let tight = r#"{"type":"array","x-guidance":{"whitespace_flexible":false}}"#;
    let mut grammar = grammars().start(Kind::JsonSchema, tight).unwrap();
    grammar.accept(u32::from(b'[')).unwrap();
    assert!(!ids(&grammar.mask().unwrap().unwrap()).contains(&u32::from(b' ')));
}

#[test]
fn expressions_and_lark() {
    let grammars = grammars();
    for seed in 0..50 {
        let (text, ..) = write(&mut grammars.start(Kind::Regex, "[a-c]{2,5}(x|yy)").unwrap(), seed, 50, true).unwrap();
        let end = text.iter().position(|b| b"xy".contains(b)).unwrap();
        assert!((2..=5).contains(&end) && [&b"x"[..], b"yy"].contains(&&text[end..]), "{text:?}");
        let lark = "start: \"(\" start \")\" | \"x\"";
        let (text, is_complete, _) = write(&mut grammars.start(Kind::Lark, lark).unwrap(), seed, 100, true).unwrap();
        let depth = text.iter().filter(|&&b| b == b'(').count();
        assert!(!is_complete || text == [&b"("[..], b")"].map(|b| b.repeat(depth)).join(&b"x"[..]), "{text:?}");
    }
}

/// Ends are allowed where an answer may end, and are no text; an answer is complete as soon as nothing else is allowed.
#[test]
fn ends() {
    let grammars = grammars();
    let mut grammar = grammars.start(Kind::Regex, "a{1,2}").unwrap();
    let a = u32::from(b'a');
    assert_eq!(ids(&grammar.mask().unwrap().unwrap()), [a]);
    grammar.accept(a).unwrap();
    assert_eq!(ids(&grammar.mask().unwrap().unwrap()), [a, 264, 265]);
    grammar.accept(a).unwrap();
    assert_eq!(grammar.mask().unwrap(), None);
    assert_eq!(grammars.start(Kind::Regex, "").unwrap().mask().unwrap(), None);
    // the bytes of an end are written byte by byte
    let mut grammar = grammars.start(Kind::Regex, "</s>").unwrap();
    assert_eq!(ids(&grammar.mask().unwrap().unwrap()), [u32::from(b'<')]);
    // what was not allowed
    assert_eq!(grammar.accept(a).unwrap_err().kind, ErrorKind::Invalid);
}

/// A vocabulary need not have ends, nor write everything.
#[test]
fn vocabularies() {
    let none = Grammars::new(&pack(&[b"a", b"b", b""], &[])).unwrap();
    let mut grammar = none.start(Kind::Regex, "a+").unwrap();
    for _ in 0..3 {
        assert_eq!(ids(&grammar.mask().unwrap().unwrap()), [0]);
        grammar.accept(0).unwrap();
    }
    let mut grammar = none.start(Kind::Regex, "ax").unwrap();
    grammar.accept(0).unwrap();
    assert_eq!(grammar.mask().unwrap_err().kind, ErrorKind::Invalid);
    // the same text twice, and one that is too long to be a token
    let long = [b'a'; 2000];
    let twice = Grammars::new(&pack(&[b"a", b"a", &long, b"</s>"], &[3])).unwrap();
    assert_eq!(ids(&twice.start(Kind::Regex, "a*").unwrap().mask().unwrap().unwrap()), [0, 1, 3]);
}

#[test]
fn what_is_no_vocabulary_is_refused() {
    let packed = pack(&[b"a", b"bc", b"</s>"], &[2]);
    assert!(Grammars::new(&packed).is_ok());
    for end in 0..packed.len() {
        assert!(Grammars::new(&packed[..end]).is_err(), "{end} bytes");
    }
    for (bytes, kind) in [
        (pack(&[b"a"], &[1]), ErrorKind::Invalid),
        (vec![0xff; 64], ErrorKind::Limit),
        ([2u32, 0, u32::MAX, 5].iter().flat_map(|w| w.to_le_bytes()).collect(), ErrorKind::Invalid),
        (pack(&[&vec![b'a'; 1 << 22]], &[]), ErrorKind::Limit),
    ] {
        assert_eq!(Grammars::new(&bytes).err().map(|e| e.kind), Some(kind));
    }
}

/// Grammars that are none, that are too large, and that take too much: an error, in time, or an answer that begins.
#[test]
fn hostile_grammars_end_in_time() {
    use ErrorKind::{Invalid, Limit};
    let members = |n: usize, value: &str| (0..n).map(|i| format!("\"p{i}\":{value}")).collect::<Vec<_>>().join(",");
    let chain = |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(line).collect::<String>();
    let doubled = format!("start: A0\n{}A40: \"x\"", chain(40, &|i| format!("A{i}: A{0} A{0}\n", i + 1)));
    let laughs = chain(40, &|i| {
        format!("\"d{i}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/d{0}\"}},{{\"$ref\":\"#/$defs/d{0}\"}}]}},", i + 1)
    });
    let either = chain(30, &|i| {
        format!(",{{\"anyOf\":[{{\"minimum\":{i}}},{{\"maximum\":{}}},{{\"multipleOf\":{}}}]}}", 1000 - i, i + 2)
    });
    let cases: Vec<(Kind, String, Option<ErrorKind>)> = vec![
        (Kind::Regex, "(".into(), Some(Invalid)),
        (Kind::Regex, "(?=a)b".into(), Some(Invalid)),
        (Kind::Regex, r"(a)\1".into(), Some(Invalid)),
        (Kind::Regex, format!("a{}", "*".repeat(100_000)), Some(Limit)),
        (Kind::Regex, "a".repeat(MAX_TEXT_BYTES + 1), Some(Limit)),
        (Kind::Regex, format!("{}a{}", "(".repeat(101), ")".repeat(101)), Some(Limit)),
        (Kind::Regex, format!("{}a{}", "(".repeat(100), ")".repeat(100)), None),
        (Kind::Regex, "a{1000000000}".into(), None),
        (Kind::Regex, "((a{100}){100}){100}".into(), None),
        (Kind::Regex, "([a-z]{0,1000}x){0,1000}".into(), None),
        (Kind::Regex, "(a|b)*a(a|b){20}".into(), None),
        (Kind::Regex, r"(\w{50}\p{L}{50}){50}".into(), None),
        (Kind::Lark, String::new(), Some(Invalid)),
        (Kind::Lark, "start: other".into(), Some(Invalid)),
        (Kind::Lark, "start: start".into(), Some(Invalid)),
        (Kind::Lark, "start: a\na: a a | \"x\"".into(), None),
        (Kind::Lark, "start: A\nA: /(.*a.{30})/ & /(.*b.{30}.*)/ & ~/(.*c.{20}.*)/".into(), Some(Limit)),
        (Kind::Lark, doubled, Some(Limit)),
        (Kind::Lark, "start: <|tool|>".into(), Some(Invalid)),
        (Kind::JsonSchema, "{".into(), Some(Invalid)),
        (Kind::JsonSchema, "3".into(), Some(Invalid)),
        (Kind::JsonSchema, "false".into(), Some(Invalid)),
        (Kind::JsonSchema, r#"{"type":"banana"}"#.into(), Some(Invalid)),
        (Kind::JsonSchema, r#"{"x-guidance":3}"#.into(), Some(Invalid)),
        (Kind::JsonSchema, r#"{"type":"string","minLength":5,"maxLength":2}"#.into(), Some(Invalid)),
        (Kind::JsonSchema, r##"{"$ref":"#"}"##.into(), Some(Invalid)),
        (
            Kind::JsonSchema,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##.into(),
            Some(Invalid),
        ),
        (
            Kind::JsonSchema,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"type":"object"}]}}}"##.into(),
            Some(Invalid),
        ),
        (Kind::JsonSchema, r#"{"$ref":"https://example.org/a.json"}"#.into(), Some(Invalid)),
        (Kind::JsonSchema, r##"{"type":"array","minItems":1,"items":{"$ref":"#"}}"##.into(), None),
        (Kind::JsonSchema, r#"{"type":"string","minLength":1000000000}"#.into(), None),
        (Kind::JsonSchema, r#"{"type":"array","minItems":1000000000}"#.into(), None),
        (
            Kind::JsonSchema,
            r#"{"type":"integer","multipleOf":1000003,"minimum":1,"maximum":999999999999}"#.into(),
            Some(Limit),
        ),
        (Kind::JsonSchema, format!("{{\"type\":\"integer\",\"allOf\":[{{}}{either}]}}"), Some(Limit)),
        (
            Kind::JsonSchema,
            format!("{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{laughs}\"d40\":{{\"type\":\"object\"}}}}}}"),
            None,
        ),
        (Kind::JsonSchema, format!("{}{{}}{}", r#"{"properties":{"a":"#.repeat(51), "}}".repeat(51)), Some(Limit)),
        (Kind::JsonSchema, format!("{{\"properties\":{{{}}}}}", members(1001, "{}")), Some(Limit)),
        (
            Kind::JsonSchema,
            format!("{{\"properties\":{{{}}},\"additionalProperties\":false}}", members(300, "{\"type\":\"integer\"}")),
            None,
        ),
    ];
    let grammars = grammars();
    for (kind, text, expected) in cases {
        let begun = Instant::now();
        let outcome = grammars.start(kind, &text).and_then(|mut grammar| write(&mut grammar, 1, 40, false));
        let (seconds, shown) = (begun.elapsed().as_secs_f64(), text.chars().take(80).collect::<String>());
        let found = outcome.as_ref().err().map(|e| e.kind);
        assert_eq!(found, expected, "{shown}: {:?}", outcome.err());
        if let Err(error) = &outcome {
            assert!(error.message.len() < MAX_MESSAGE_BYTES + 80, "{error}");
        }
        println!("{seconds:6.2} s  {found:?}  {shown}");
        assert!(seconds < 20.0, "{shown} took {seconds} s");
    }
}
