//! What a template finds: jinja2 with the additions of transformers, all limits set.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, FormatStyle, UndefinedBehavior, Value};

use super::budget::Budget;
use super::program::hook;
use super::{MAX_OUTPUT_BYTES, MAX_STEPS, Refusal, bounded, json, markup, methods, operators, python, time};

/// The deepest recursion of macros, in minijinja's units; its own default of 500 is meant for a larger stack.
const MAX_RECURSION: usize = 200;

/// Filters of minijinja that jinja2 does not have, or has for people only, and that know no bound.
const REMOVED: [&str; 5] = ["split", "lines", "zip", "chain", "pprint"];

/// The environment of one rendering.
pub fn new<'source>(now: Option<i64>) -> Environment<'source> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_recursion_limit(MAX_RECURSION);
    let budget = Arc::new(Budget::default());
    add_hooks(&mut environment, &budget);
    add_filters(&mut environment, &budget);
    add_functions(&mut environment, &budget, now);
    limit_output(&mut environment);
    environment.set_unknown_method_callback(move |state, value, method, arguments| {
        methods::call(&budget, state, value, method, arguments)
    });
    environment
}

/// The calls that [`super::program`] puts between a template's instructions.
fn add_hooks(environment: &mut Environment, budget: &Arc<Budget>) {
    let b = budget.clone();
    environment.add_filter(hook::ADD, move |left: &Value, right: &Value| operators::add(&b, left, right));
    let b = budget.clone();
    environment.add_filter(hook::MULTIPLY, move |left: &Value, right: &Value| operators::multiply(&b, left, right));
    let b = budget.clone();
    environment
        .add_filter(hook::CONCATENATE, move |left: &Value, right: &Value| operators::concatenate(&b, left, right));
    let b = budget.clone();
    environment.add_filter(hook::MADE, move |value: Value| operators::made(&b, value));
    let b = budget.clone();
    environment.add_filter(hook::READ, move |value: Value| operators::read(&b, value));
    let b = budget.clone();
    environment.add_filter(hook::STORE, move |value: Value| operators::store(&b, value));
    let b = budget.clone();
    environment.add_filter(hook::STORE_MEMBER, move |value: Value| operators::store_member(&b, value));
    environment.add_filter(hook::SAME, |value: Value| value);
}

fn add_filters(environment: &mut Environment, budget: &Arc<Budget>) {
    REMOVED.into_iter().for_each(|name| environment.remove_filter(name));
    environment.add_filter("string", |value: &Value| string(value));
    environment.add_filter("batch", bounded::batch);
    environment.add_filter("slice", bounded::slice);
    let b = budget.clone();
    environment.add_filter("tojson", move |value: &Value, indent: Option<usize>, options: Kwargs| {
        operators::store(&b, value.clone()).and_then(|value| json::tojson(&value, indent, options))
    });
    let b = budget.clone();
    environment.add_filter("join", move |items: &Value, separator: Option<&Value>, options: Kwargs| {
        bounded::join(&b, items, separator, options)
    });
    let b = budget.clone();
    environment.add_filter("replace", move |text: &Value, old: &Value, new: &Value, count: Option<i64>| {
        let (text, old, new) = (python::string(text)?, python::string(old)?, python::string(new)?);
        bounded::replace(&b, &text, &old, &new, count)
    });
    let b = budget.clone();
    environment.add_filter(
        "sum",
        move |items: &Value, attribute: Option<Value>, start: Option<Value>, options: Kwargs| {
            bounded::sum(&b, items, attribute, start, options)
        },
    );
    let b = budget.clone();
    environment.add_filter("format", move |text: &str, values: Rest<Value>| {
        bounded::format(&b, FormatStyle::Printf, text, &values)
    });
    let b = budget.clone();
    environment.add_filter(
        "indent",
        move |text: &str, width: Option<Value>, first: Option<bool>, blank: Option<bool>, options: Kwargs| {
            bounded::indent(&b, text, width, first, blank, options)
        },
    );
    for name in ["escape", "e"] {
        let b = budget.clone();
        environment.add_filter(name, move |value: &Value| markup::escape(&b, value));
    }
}

/// `value | string`: a text that is marked as safe stays so.
fn string(value: &Value) -> Result<Value, Error> {
    if value.as_str().is_some() { Ok(value.clone()) } else { python::string(value).map(Value::from) }
}

fn add_functions(environment: &mut Environment, budget: &Arc<Budget>, now: Option<i64>) {
    environment.remove_global("debug"); // it shows the engine's insides, which no template expects
    let b = budget.clone();
    environment.add_function("namespace", move |members: Option<Value>| {
        minijinja::functions::namespace(members.map(|members| operators::store_member(&b, members)).transpose()?)
    });
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, "the template refuses").with_source(Refusal(message)))
    });
    if let Some(now) = now {
        environment.add_function("strftime_now", move |format: &str| time::strftime(format, now));
    }
}

/// Everything that is printed goes through the formatter, what a macro or a block collects included.
fn limit_output(environment: &mut Environment) {
    let written = AtomicUsize::new(0);
    environment.set_formatter(move |output, _, value| {
        let text = python::string(value)?;
        if written.fetch_add(text.len(), Ordering::Relaxed).saturating_add(text.len()) > MAX_OUTPUT_BYTES {
            let detail = format!("the output is longer than {MAX_OUTPUT_BYTES} bytes");
            return Err(Error::new(ErrorKind::InvalidOperation, detail));
        }
        output.write_str(&text).map_err(Error::from)
    });
}
