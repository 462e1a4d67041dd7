use super::*;
use crate::sampling::SplitMix64;
use serde_json::{Value, json};

/// A template of each format, as little of it as names the format.
fn format_of(named: &str) -> &'static Format {
    Format::of(named)
}

fn offered() -> Offered {
    let parameters =
        json!({ "type": "object", "properties": { "city": { "type": "string" }, "days": { "type": "integer" } } });
    Offered::new(&json!([
        { "type": "function", "function": { "name": "weather", "parameters": parameters } },
        { "name": "add", "parameters": {} },
    ]))
}

fn split<'t>(format: &'static Format, texts: impl IntoIterator<Item = &'t str>) -> (String, Vec<ToolCall>) {
    let mut splitter = Calls::new(format, offered());
    let (mut text, mut calls) = (String::new(), Vec::new());
    let mut take = |(more, found): (String, Vec<ToolCall>)| {
        text += &more;
        calls.extend(found);
    };
    texts.into_iter().for_each(|text| take(splitter.push(text)));
    take(splitter.finish());
    (text, calls)
}

/// `name {arguments}`, and `id:` before it if there is one.
fn written(calls: &[ToolCall]) -> Vec<String> {
    let id = |call: &ToolCall| call.id.as_ref().map(|id| format!("{id}:")).unwrap_or_default();
    calls.iter().map(|call| format!("{}{} {}", id(call), call.name, call.arguments)).collect()
}

const HERMES: &str = "<tool_call>";
const CODER: &str = "<tool_call><function=";
const GLM: &str = "<tool_call><arg_key>";
const LLAMA: &str = "{\"name\": , \"parameters\": ";

#[test]
fn what_models_write() {
    let zurich = "weather {\"city\":\"Zürich\"}";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            HERMES,
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}\n</tool_call>",
            "",
            &[zurich],
        ),
        (
            HERMES,
            "I look.\n<tool_call>{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Zürich\\\"}\"}</tool_call>\n",
            "I look.",
            &[zurich],
        ),
        (
            HERMES,
            "<tool_call>{\"name\":\"add\"}</tool_call>\n<tool_call>{\"name\":\"x\",\"parameters\":{}}</tool_call> done ",
            "done ",
            &["add {}", "x {}"],
        ),
        (
            HERMES,
            "<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":1.50,\"b\":[null]}}",
            "",
            &["add {\"a\":1.5,\"b\":[null]}"],
        ),
        (
            CODER,
            "<tool_call>\n<function=weather>\n<parameter=city>\nZürich\n</parameter>\n</function>\n</tool_call>",
            "",
            &[zurich],
        ),
        (
            CODER,
            "<tool_call><function=weather><parameter=days>3</parameter><parameter=city>\n5\n</parameter></function></tool_call>",
            "",
            &["weather {\"days\":3,\"city\":\"5\"}"],
        ),
        ("<seed:tool_call>", "a<seed:tool_call><function=add></function></seed:tool_call>", "a", &["add {}"]),
        (
            GLM,
            "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Zürich</arg_value>\n<arg_key>days</arg_key><arg_value>2</arg_value>\n</tool_call>",
            "",
            &["weather {\"city\":\"Zürich\",\"days\":2}"],
        ),
        (LLAMA, "{\"name\": \"weather\", \"parameters\": {\"city\": \"Zürich\"}}", "", &[zurich]),
        (
            LLAMA,
            "<|python_tag|>{\"type\": \"function\", \"name\": \"add\", \"parameters\": {}}; {\"name\": \"add\"}",
            "",
            &["add {}", "add {}"],
        ),
        (LLAMA, " {\n \"function\": \"add\", \"parameters\": {}}", "", &["add {}"]),
        (
            "[TOOL_CALLS]",
            "[TOOL_CALLS][{\"name\": \"add\", \"arguments\": {}, \"id\": \"a1B2c3D4e\"}]",
            "",
            &["a1B2c3D4e:add {}"],
        ),
        (
            "[TOOL_CALLS]",
            "[TOOL_CALLS]add[ARGS]{}[TOOL_CALLS]weather[CALL_ID]x[ARGS]{\"city\": \"Zürich\"}",
            "",
            &["add {}", "x:weather {\"city\":\"Zürich\"}"],
        ),
        (
            "<|tool_calls_section_begin|>",
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.add:0<|tool_call_argument_begin|>{\"a\":1}<|tool_call_end|><|tool_calls_section_end|>",
            "",
            &["functions.add:0:add {\"a\":1}"],
        ),
        ("functools[", " functools[{\"name\": \"add\", \"arguments\": {}}]", "", &["add {}"]),
        ("<|tool_call|>", "<|tool_call|>[{\"name\": \"add\", \"arguments\": {}}]", "", &["add {}"]),
        (
            "<|START_ACTION|>",
            "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"add\", \"parameters\": {}}]<|END_ACTION|>",
            "",
            &["0:add {}"],
        ),
        ("<function=", "<function=weather>{\"city\": \"Zürich\"}</function>", "", &[zurich]),
        (
            "Action: ```json",
            "Plan: add.\nAction:\n```json\n[{\"tool_name\": \"add\", \"parameters\": {}}]\n```",
            "Plan: add.",
            &["add {}"],
        ),
        ("<function name=", "<function name=\"weather\"><param name=\"city\">Zürich</param></function>", "", &[zurich]),
        (
            "<|tool_call>call:",
            "<|tool_call>call:weather{city:<|\"|>Zü, \"r\"<|\"|>,at:{lat:-4.5,all:[true,<|\"|>x:y<|\"|>]}}<tool_call|>",
            "",
            &["weather {\"city\":\"Zü, \\\"r\\\"\",\"at\":{\"lat\":-4.5,\"all\":[true,\"x:y\"]}}"],
        ),
        (
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "",
            &["add {}"],
        ),
        (
            "<|tool_call:begin|>",
            "<|tool_calls|><|tool_call:begin|>x<|tool_call:name|>add<|tool_call:args|>{}<|tool_call:end|>",
            "",
            &["x:add {}"],
        ),
        (
            "<|tool_list_start|>",
            "<|tool_call_start|>[weather(city='Z\\'ü \"r\"', days=-2.5, at={\"x\": [True, None,]},), time.now()]<|tool_call_end|>Wait.",
            "Wait.",
            &["weather {\"city\":\"Z'ü \\\"r\\\"\",\"days\":-2.5,\"at\":{\"x\":[true,null]}}", "time.now {}"],
        ),
        ("nothing known", "<tool_call>{\"name\":\"add\"}</tool_call>", "", &["add {}"]),
    ];
    for (named, answer, text, calls) in cases {
        let found = split(format_of(named), [*answer]);
        assert_eq!(
            (found.0.as_str(), written(&found.1)),
            (*text, calls.iter().map(|c| (*c).to_owned()).collect()),
            "{answer}"
        );
    }
}

#[test]
fn what_is_not_a_call_is_text_as_it_was_written() {
    let deep = format!("<tool_call>{}</tool_call>", "[".repeat(100_000));
    let long = format!("<tool_call>{}", "a".repeat(300_000));
    let nested = format!("<|tool_call_start|>[add(a={})]<|tool_call_end|>", "[".repeat(100_000));
    let name = format!("<tool_call>{{\"name\":\"{}\"}}</tool_call>", "n".repeat(257));
    for (named, answer) in [
        (HERMES, "no call"),
        (HERMES, " a <tool_cal"),
        (HERMES, "a \n <tool_call>not JSON</tool_call> b"),
        (HERMES, "<tool_call></tool_call>"),
        (HERMES, "<tool_call>{\"name\": 1}</tool_call>"),
        (HERMES, "<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>"),
        (HERMES, "<tool_call>{\"name\": \"a b\"}</tool_call>"),
        (HERMES, "<tool_call>{\"name\": \"add\"} and more</tool_call>"),
        (HERMES, "<tool_call>{\"name\": \"add\", \"argum"),
        (HERMES, &deep),
        (HERMES, &long),
        (HERMES, &name),
        (CODER, "<tool_call><function=add><parameter=a>1</function></tool_call>"),
        (CODER, "<tool_call>{\"name\":\"add\"}</tool_call>"),
        (GLM, "<tool_call>add<arg_key>a</arg_key>1</tool_call>"),
        (LLAMA, "{\"name\": \"unknown\", \"parameters\": {}}"),
        (LLAMA, "{\"answer\": 4}"),
        (LLAMA, "{"),
        (LLAMA, "<|python_tag|>print(1)"),
        (LLAMA, "The call is {\"name\": \"add\", \"parameters\": {}}"),
        ("[TOOL_CALLS]", "[TOOL_CALLS]add"),
        ("<|tool_call>call:", "<|tool_call>call:add{a:<|\"|>b}<tool_call|>"),
        ("<|tool_list_start|>", "<|tool_call_start|>[add(1)]<|tool_call_end|>"),
        ("<|tool_list_start|>", "<|tool_call_start|>[add(a=b)]<|tool_call_end|>"),
        ("<|tool_list_start|>", "<|tool_call_start|>[add(a='b)]<|tool_call_end|>"),
        ("<|tool_list_start|>", "<|tool_call_start|>[]<|tool_call_end|>"),
        ("<|tool_list_start|>", &nested),
        ("<|tool_call>call:", "<|tool_call>call:add{a b}<tool_call|>"),
        ("<|tool_calls_section_begin|>", "<|tool_calls_section_begin|>a<|tool_calls_section_end|>"),
    ] {
        let (text, calls) = split(format_of(named), [answer]);
        assert!(calls.is_empty() && text == answer, "{named}: {:.80}: {calls:?}", answer);
    }
}

#[test]
fn the_parts_do_not_depend_on_the_pieces() {
    let mut random = SplitMix64::new(5);
    let mut next = |below: usize| (random.next_u64() % below as u64) as usize;
    let parts = [
        "<tool_call>{\"name\":\"add\"}</tool_call>",
        "<tool_call>",
        "</tool_call>",
        "<tool_",
        "{\"name\":\"add\"}",
        "{\"name\":",
        "\"add\"}",
        " ",
        "\n",
        "é",
        "🎨",
        "a",
        "<",
        "[",
        "]",
        "<function=add>",
        "</function>",
        "<|python_tag|>",
        "{",
    ];
    let mut with_calls = 0;
    for round in 0..20_000 {
        let format = format_of([HERMES, CODER, LLAMA, "[TOOL_CALLS]"][round % 4]);
        let text: String = (0..next(12)).map(|_| parts[next(parts.len())]).collect();
        let (mut pieces, mut rest) = (Vec::new(), text.as_str());
        while !rest.is_empty() {
            let mut at = 1 + next(rest.len());
            while !rest.is_char_boundary(at) {
                at += 1;
            }
            pieces.push(&rest[..at]);
            rest = &rest[at..];
        }
        let whole = split(format, [text.as_str()]);
        assert_eq!(split(format, pieces.iter().copied()), whole, "{pieces:?}");
        with_calls += usize::from(!whole.1.is_empty());
    }
    assert!(with_calls > 500, "{with_calls}");
}

#[test]
fn text_is_shown_as_soon_as_it_cannot_be_a_call() {
    let mut splitter = Calls::new(format_of(HERMES), offered());
    let shown: Vec<String> = ["a", " <", "b", " ", "<tool", "_x"].map(|text| splitter.push(text).0).into();
    assert_eq!(shown, ["a", "", " <b", "", "", " <tool_x"]);
    let mut splitter = Calls::new(format_of(LLAMA), offered());
    let shown: Vec<String> = ["{", " \"", "x", "\": 1}"].map(|text| splitter.push(text).0).into();
    assert_eq!(shown, ["", "", "{ \"x", "\": 1}"]);
}

#[test]
fn a_call_comes_when_it_is_complete() {
    let mut splitter = Calls::new(format_of(HERMES), offered());
    let counts =
        ["<tool_call>{\"name\":\"add\"}</tool", "_call>", "<tool_call>"].map(|text| splitter.push(text).1.len());
    assert_eq!(counts, [0, 1, 0]);
}

#[test]
fn tools_without_a_name_or_a_schema_are_harmless() {
    for tools in [Value::Null, json!([1, {}, { "function": 1 }, { "function": { "name": 1 } }]), json!({ "name": "a" })]
    {
        assert!(!Offered::new(&tools).has("a"), "{tools}");
    }
    assert_eq!(offered().value("weather", "days", " 3 "), 3);
    assert_eq!(offered().value("weather", "city", " 3 "), " 3 ");
    assert_eq!(offered().value("add", "a", "three"), "three");
}
