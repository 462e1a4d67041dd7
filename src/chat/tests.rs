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
        ("{{ 'a\n\nb\n' | indent(2, first=true) }}|{{ 'a\nb' | indent('>') }}", "  a\n\n  b\n|a\n>b"),
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
        &format!("{{{{ 1{} }}}}", " + 1".repeat(50_000)),
        &format!("{{{{ x{} }}}}", ".y".repeat(50_000)),
        &format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(20_000)),
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

/// What each of these makes or reads without a bound is refused, quickly and with its own words.
#[test]
fn values_on_the_way_are_bounded() {
    let long = "{% set x = 'x' * 4000000 %}";
    let in_loop = |body: &str| {
        format!("{{% set ns = namespace(x='ab', l=[1], m={{}}) %}}{{% for i in range(99999) %}}{body}{{% endfor %}}")
    };
    for source in [
        &in_loop("{% set ns.x = ns.x + ns.x %}"),
        &in_loop("{% set ns.x = ns.x ~ ns.x %}"),
        &in_loop("{% set ns.x = ns.x * 2 %}"),
        &in_loop("{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
        &in_loop("{% set ns.x = ns.x.replace('a', ns.x) %}"),
        &in_loop("{% set ns.x = ns.x | replace('a', ns.x) %}"),
        &in_loop("{% set ns.x = ns.x.join([ns.x, ns.x, ns.x]) %}"),
        &in_loop("{% set ns.x = [ns.x, ns.x] | join %}"),
        &in_loop("{% set ns.x = '%s%s' | format(ns.x, ns.x) %}"),
        &in_loop("{% set ns.x = '{}{}'.format(ns.x, ns.x) %}"),
        &in_loop("{% set ns.x = [ns.x, ns.x] | string %}"),
        &in_loop("{% set ns.x = [ns.x, ns.x] | tojson %}"),
        &in_loop("{% set ns.x = ns.x | tojson | escape | string %}"),
        &in_loop("{% set ns.x = (ns.x ~ '\n') | indent(200) %}"),
        &in_loop("{% set ns.l = ns.l + ns.l %}"),
        &in_loop("{% set ns.l = ns.l * 2 %}"),
        &in_loop("{% set ns.l = [ns.l, ns.l] | sum(start=[]) %}"),
        &in_loop("{% set ns.l = [ns.l] %}"),
        &in_loop("{% set ns.l = ns.l | batch(1) %}"),
        &in_loop("{% set ns.l = {'a': ns.l} %}"),
        &in_loop("{% set ns.m = dict(a=ns.m) %}"),
        &in_loop("{% set ns.m = namespace(a=ns.m) %}"),
        &in_loop("{% set ns.m = ns %}"),
        &in_loop("{% set ns.m = [{'a': ns}] %}"),
        &in_loop("{% macro m() %}{{ ns }}{% endmacro %}{% set ns.m = m %}"),
        &in_loop(&format!("{{% set y %}}{}{{% endset %}}", "text ".repeat(1000))),
        &format!(
            "{long}{{% set ns = namespace(l=[]) %}}{{% for i in range(999) %}}{{% set ns.l = ns.l + [x | upper] %}}{{% endfor %}}"
        ),
        &format!("{long}{{% for i in range(99999) %}}{{{{ x | length }}}}{{% endfor %}}"),
        &format!("{long}{{% for i in range(99999) %}}{{{{ 'y' in x }}}}{{% endfor %}}"),
        "{{ 'x' * 99999999 }}",
        "{{ 9 * 'x' * 9999999 }}",
        "{{ ([1] * 99999999) | list }}",
        "{{ '%99999d' | format(1) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ [1] | batch(999999999, 0) }}",
        "{{ [1] | slice(999999999, 0) }}",
        "{{ 'a' | indent(999999999) }}",
        "{{ 9223372036854775807 * 9223372036854775807 * 9223372036854775807 }}",
        &format!("{{% set x = [] %}}{}", "{% set x = [x] %}".repeat(9999)),
        &format!("{{% set x = namespace() %}}{}", "{% set x = namespace(y=x) %}".repeat(5000)),
    ] {
        let error = render(source).expect_err(source);
        assert_eq!(error.kind(), ErrorKind::ChatTemplate, "{source}");
        assert!(!error.detail().contains("unknown"), "{source}: {error}");
    }
}

#[test]
fn chains_of_lazy_values_do_not_grow() {
    let source = "{% set ns = namespace(l=[1, 2], m={'a': [1]}) %}{% for i in range(50000) %}{% set ns.l = ns.l[:] %}\
        {% set ns.l = ns.l | map('string') %}{% set ns.m = {'a': ns.m.a[:]} %}{% endfor %}{{ ns.l }}{{ ns.m }}";
    assert_eq!(render(source).unwrap(), "['1', '2']{'a': [1]}");
    assert_eq!(render("{{ 'ab'.count('') }}{{ 'é-'.find('-') }}{{ ''.isdigit() }}").unwrap(), "31False");
}

#[test]
fn operators_are_those_of_python() {
    let cases = [
        ("{{ 1 + 2 }}{{ 1 + 2.5 }}{{ true + 1 }}{{ 2 * 3 }}{{ 2 * 0.5 }}{{ -2 * 3 }}", "33.5261.0-6"),
        ("{{ 'a' + 'b' }}{{ 'ab' * 2 }}{{ 2 * 'ab' }}{{ 'a' * -1 }}|{{ [1] * 2 + [2] }}", "ababababab|[1, 1, 2]"),
        ("{% set t = true %}{{ t ~ none ~ 1.0 ~ nothing }}", "TrueNone1.0"),
        ("{{ 'a<' | safe + '<' + '&' }}{{ '<' + ('>' | safe) }}{{ ('<' | safe) ~ '<' }}", "a<&lt;&amp;&lt;><<"),
        ("{{ '<\"\\'&' | e }}{{ ('<' | safe) | e }}{{ ('<' | e) * 2 + '<' }}", "&lt;&#34;&#39;&amp;<&lt;&lt;&lt;"),
        (
            "{{ 'a-b-c'.split('-', 1) }}{{ 'a-b-c'.rsplit('-', 1) }}{{ ' a  b '.split() }}",
            "['a', 'b-c']['a-b', 'c']['a', 'b']",
        ),
        ("{{ 'a-b-c'.split('-', maxsplit=1)[1] }}{{ 'a b c'.split(none, 1) }}", "b-c['a', 'b c']"),
        (
            "{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ 'a'.partition('-') }}",
            "['a', '-', 'b-c']['a-b', '-', 'c']['a', '', '']",
        ),
        (
            "{{ 'abc'.removeprefix('a').removesuffix('c') }}{{ 'a-b'.replace('-', '+', 1) }}{{ ','.join(['a', 'b']) }}",
            "ba+ba,b",
        ),
        ("{{ [{'a': 1}, {'a': 2}] | sum('a') }}{{ [{'a': 1}, {'a': 2}] | join(', ', attribute='a') }}", "31, 2"),
        (
            "{{ '%s is %d' | format('a', 2) }}{{ '{} {}'.format('a', 2) }}{{ 'aaa' | replace('a', 'b', 2) }}",
            "a is 2a 2bba",
        ),
        ("{% for i in [3, 4] %}{% if loop.first %}{{ loop.length * 2 }}{% endif %}{% else %}x{% endfor %}", "4"),
        (
            "{% macro m(a, b=2) %}{{ a + b }}{{ caller and caller() }}{% endmacro %}{{ m(1) + m(1, 1) }}{% call m(1) %}{{ 2 + 2 }}{% endcall %}",
            "3234",
        ),
        ("{% for i in [[1, [2]]] recursive %}{{ i if i is number else loop(i) }}{% endfor %}", "12"),
        ("{% block a %}{{ 'b' + 'c' }}{% endblock %}{% filter upper %}x{{ 'y' }}{% endfilter %}", "bcXY"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source).unwrap(), expected, "{source}");
    }
    for source in ["{{ 'a' + 1 }}", "{{ nothing + 'a' }}", "{{ [1] + 'a' }}", "{{ 'a' * 'b' }}", "{{ none * 2 }}"] {
        assert_eq!(render(source).unwrap_err().kind(), ErrorKind::ChatTemplate, "{source}");
    }
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

#[test]
fn lists_of_texts_reach_templates_that_take_them() {
    let parts =
        json!([{ "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }]);
    let takes = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}<{{ p.text }}>{% endfor %}{% endif %}{% endfor %}";
    assert_eq!(render_with(takes, parts.clone(), RenderOptions::default()).unwrap(), "<a><b>");
    for does_not in ["{{ messages[0].content }}", "{{ '' + messages[0].content }}", "{{ messages[0].content | trim }}"]
    {
        assert_eq!(render_with(does_not, parts.clone(), RenderOptions::default()).unwrap(), "a\nb", "{does_not}");
    }
    let image = json!([{ "role": "user", "content": [{ "type": "image", "url": "a" }] }]);
    let error = render_with(takes, image, RenderOptions::default()).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.detail().contains("image"), "{error}");
}

#[test]
fn variables_that_a_template_does_not_use_are_refused() {
    let of = |variables: serde_json::Value| variables.as_object().unwrap().clone();
    let check = |source: &str, variables| ChatTemplate::new(source, "", "").unwrap().check_variables(&of(variables));
    let thinking = "{% if enable_thinking is defined %}<think>{% endif %}";
    check(thinking, json!({ "enable_thinking": true })).unwrap();
    check(thinking, json!({ "enable_thinking": false })).unwrap();
    check("enable_thinking", json!({ "enable_thinking": false })).unwrap();
    check("{{ \"enable_thinking\" }}", json!({ "enable_thinking": true })).unwrap_err();
    check("</think>", json!({ "enable_thinking": false })).unwrap_err();
    let error = check(thinking, json!({ "enable_thinking": true, "thinking": 1 })).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.detail().starts_with("thinking is 1"), "{error}");
}

#[test]
fn tools_reach_the_template_under_its_own_name() {
    let tools = Some(json!(["a"]));
    let options = || RenderOptions { tools: tools.clone(), ..Default::default() };
    for (source, expected) in [
        ("{{ tools }}", "['a']"),
        ("{{ xml_tools }}", "['a']"),
        ("{{ tools }}{{ xml_tools is defined }}", "['a']False"),
    ] {
        assert_eq!(render_with(source, json!([]), options()).unwrap(), expected);
        assert!(ChatTemplate::new(source, "", "").unwrap().check_tools().is_ok());
    }
    let error = ChatTemplate::new("{{ messages }}", "", "").unwrap().check_tools().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
