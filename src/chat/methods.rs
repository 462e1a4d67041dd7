//! Python's methods of texts, lists and dicts: those of minijinja-contrib, except where its results are unbounded or
//! differ from Python's, and those that it lacks.

use minijinja::value::{Kwargs, Rest, from_args};
use minijinja::{Error, FormatStyle, State, Value};

use super::bounded;
use super::budget::Budget;

/// What `value.method(...)` gives.
///
/// # Errors
/// An unknown method, wrong arguments, the budget.
pub fn call(budget: &Budget, state: &State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let ours = value.as_str().and_then(|text| of_text(budget, text, method, arguments));
    ours.unwrap_or_else(|| minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments))
}

/// The methods of a text that are ours; nothing for others.
fn of_text(budget: &Budget, text: &str, method: &str, arguments: &[Value]) -> Option<Result<Value, Error>> {
    Some(match method {
        "join" => from_args(arguments)
            .and_then(|(items,): (&Value,)| bounded::join(budget, items, Some(&text.into()), Kwargs::from_iter(NONE))),
        "replace" => from_args(arguments)
            .and_then(|(old, new, count): (&str, &str, Option<i64>)| bounded::replace(budget, text, old, new, count)),
        "format" => from_args(arguments)
            .and_then(|(values,): (Rest<Value>,)| bounded::format(budget, FormatStyle::StrFormat, text, &values)),
        "split" => from_args(arguments).and_then(|a: SplitArguments| split(budget, text, a, false)),
        "rsplit" => from_args(arguments).and_then(|a: SplitArguments| split(budget, text, a, true)),
        "splitlines" => budget.make_items(text.matches('\n').count() + 1).err().map(Err)?,
        "partition" => from_args(arguments).and_then(|(at,): (&str,)| parts(text, text.split_once(at), at, false)),
        "rpartition" => from_args(arguments).and_then(|(at,): (&str,)| parts(text, text.rsplit_once(at), at, true)),
        "removeprefix" => {
            from_args(arguments).map(|(prefix,): (&str,)| text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            from_args(arguments).map(|(suffix,): (&str,)| text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "find" => from_args(arguments).map(|(part,): (&str,)| position(text, text.find(part))),
        "rfind" => from_args(arguments).map(|(part,): (&str,)| position(text, text.rfind(part))),
        "count" => from_args(arguments).map(|(part,): (&str,)| count(text, part)),
        // the empty text is none of these
        "isalpha" | "isalnum" | "isdigit" | "isnumeric" | "isspace" | "islower" | "isupper" if text.is_empty() => {
            Ok(false.into())
        }
        _ => return None,
    })
}

const NONE: [(&str, Value); 0] = [];

type SplitArguments<'a> = (Option<&'a str>, Option<i64>, Kwargs);

/// `text.split(sep=None, maxsplit=-1)`; `rsplit` counts from the end.
fn split(budget: &Budget, text: &str, (sep, most, options): SplitArguments, from_end: bool) -> Result<Value, Error> {
    let by_name = options.get::<Option<String>>("sep")?;
    let most = most.or(options.get("maxsplit")?).and_then(|most| usize::try_from(most).ok());
    options.assert_all_used()?;
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = Some(text);
    let sep = sep.or(by_name.as_deref());
    if sep == Some("") {
        return Err(Error::new(minijinja::ErrorKind::InvalidOperation, "split: the separator is empty"));
    }
    while let Some(text) = rest {
        budget.make_items(1)?;
        let may_split = most.is_none_or(|most| parts.len() < most);
        let (part, after) = cut(text, sep, may_split, from_end);
        rest = after;
        parts.extend(part);
    }
    if from_end {
        parts.reverse();
    }
    budget.make(parts.iter().map(|part| part.len()).sum())?;
    Ok(parts.into_iter().map(Value::from).collect())
}

/// The next part and what is left. Without a separator, white space separates and makes no empty parts.
fn cut<'t>(text: &'t str, sep: Option<&str>, may_split: bool, from_end: bool) -> (Option<&'t str>, Option<&'t str>) {
    let text = match (sep, from_end) {
        (None, false) => text.trim_start(),
        (None, true) => text.trim_end(),
        _ => text,
    };
    if sep.is_none() && text.is_empty() {
        return (None, None);
    }
    let halves = match (sep, from_end) {
        _ if !may_split => None,
        (None, false) => text.split_once(char::is_whitespace),
        (None, true) => text.rsplit_once(char::is_whitespace),
        (Some(sep), false) => text.split_once(sep),
        (Some(sep), true) => text.rsplit_once(sep),
    };
    match halves {
        Some((rest, part)) if from_end => (Some(part), Some(rest)),
        Some((part, rest)) => (Some(part), Some(rest)),
        None => (Some(text), None),
    }
}

/// The three texts of `partition`.
fn parts(text: &str, halves: Option<(&str, &str)>, separator: &str, from_end: bool) -> Result<Value, Error> {
    let found = halves.map(|(before, after)| [before, separator, after]);
    let missing = if from_end { ["", "", text] } else { [text, "", ""] };
    Ok(found.unwrap_or(missing).into_iter().map(Value::from).collect())
}

/// In characters, as slices count; -1 if there is none.
fn position(text: &str, at: Option<usize>) -> Value {
    let before = at.and_then(|at| text.get(..at));
    before.map_or_else(|| Value::from(-1), |before| Value::from(before.chars().count()))
}

fn count(text: &str, part: &str) -> Value {
    if part.is_empty() { Value::from(text.chars().count() + 1) } else { Value::from(text.matches(part).count()) }
}
