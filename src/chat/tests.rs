use super::*;
use serde_json::json;

fn render(source: &str) -> Result<String> {
    render_with(source, json!([]), RenderOptions::default())
}

fn render_with(source: &str, messages: serde_json::Value, options: RenderOptions) -> Result<String> {
    ChatTemplate::new(source, "<s>", "</s>")?.render(&messages, &options)
}

#[test]
fn the_environment_is_that_of_transformers() {
    let cases = [
        ("{{ bos_token }}{{ eos_token }}{{ tools }}{{ nothing }}", "<s></s>None"),
        ("{% if true %}\n  a\n  {% endif %}\nb\n", "  a\nb"),
        (
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i > 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "02",
        ),
        ("{{ ' a '.strip() }}{{ 'a,b'.split(',') }}{{ {'a': 1}.items() | list }}", "a['a', 'b'][['a', 1]]"),
        ("{{ true }} {{ none }} {{ 1.0 }} {{ [1, 'a'] }} {{ true | string }}", "True None 1.0 [1, 'a'] True"),
        ("{{ '<é&\"' | tojson }}", "\"<é&\\\"\""),
        ("{{ {'b': [1, 2.5], 'a': none} | tojson }}", "{\"b\": [1, 2.5], \"a\": null}"),
        ("{{ {'b': [1], 'a': {}} | tojson(indent=2) }}", "{\n  \"b\": [\n    1\n  ],\n  \"a\": {}\n}"),
        ("{{ 'é🎨' | tojson(ensure_ascii=True) }}", "\"\\u00e9\\ud83c\\udfa8\""),
        ("{{ [1, {'a': 2}] | tojson(separators=(',', ':')) }}", "[1,{\"a\":2}]"),
        ("a {% generation %}b{% endgeneration %} c", "a b c"),
        ("{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "4"),
        ("{{ strftime_now is defined }}", "False"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source).unwrap(), expected, "{source}");
    }
}

#[test]
fn time_is_what_the_caller_says() {
    let options = RenderOptions { now: Some(1_773_480_413), ..Default::default() };
    assert_eq!(render_with("{{ strftime_now('%d %b %Y') }}", json!([]), options).unwrap(), "14 Mar 2026");
}

#[test]
fn a_refusal_has_the_message_of_the_template() {
    for source in [
        "{{ raise_exception('no system role') }}",
        "{% macro m() %}{{ raise_exception('no system role') }}{% endmacro %}{{ m() }}",
    ] {
        let error = render(source).unwrap_err();
        assert_eq!((error.kind(), error.detail()), (ErrorKind::ChatTemplate, "no system role"));
    }
}

#[test]
fn failures_are_typed() {
    for source in [
        "{% if %}",
        "{{ messages[0].x.y }}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{{ 'a' | tojson(indent=100000000) }}",
        "{{ nothing | tojson }}",
        "{{ '{' * 300 }}{{ unknown() }}",
        &"{".repeat(1000),
        &"(".repeat(100_000),
        &format!("{{{{ {}1 }}}}", "(".repeat(100_000)),
        &format!("{{{{ {}1 }}}}", "not ".repeat(50_000)),
        &"{% if x %}".repeat(20_000),
        &" ".repeat(MAX_TEMPLATE_BYTES + 1),
    ] {
        match render(source) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::ChatTemplate, "{error}"),
            Ok(text) => assert_eq!(text, source, "only plain text may pass"),
        }
    }
}

#[test]
fn endless_templates_are_stopped() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let error = render(endless).unwrap_err();
    assert!(error.kind() == ErrorKind::ChatTemplate && error.detail().contains("10000000 steps"), "{error}");
    let recursive = "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}";
    assert_eq!(render(recursive).unwrap_err().kind(), ErrorKind::ChatTemplate);
    let long = "{% set x = 'x' * 1000000 %}{% for i in range(1000) %}{{ x }}{% endfor %}";
    let error = render(long).unwrap_err();
    assert!(error.kind() == ErrorKind::ChatTemplate && error.detail().contains("16777216"), "{error}");
}

#[test]
fn messages_and_extras_reach_the_template_untouched() {
    let messages = json!([{ "role": "user", "content": "{{ x }} <&>", "more": { "b": 1, "a": [true] } }]);
    let extra = json!({ "enable_thinking": false, "bos_token": "B" }).as_object().unwrap().clone();
    let options = RenderOptions { tools: Some(json!([{ "name": "f" }])), extra, ..Default::default() };
    let source =
        "{{ messages[0].content }}{{ messages[0].more | tojson }}{{ tools }}{{ enable_thinking }}{{ bos_token }}";
    let expected = "{{ x }} <&>{\"b\": 1, \"a\": [true]}[{'name': 'f'}]FalseB";
    assert_eq!(render_with(source, messages, options).unwrap(), expected);
}

#[test]
fn wrong_arguments_are_refused() {
    let error = render_with("", json!({}), RenderOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let extra = json!({ "messages": [] }).as_object().unwrap().clone();
    let error = render_with("", json!([]), RenderOptions { extra, ..Default::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
