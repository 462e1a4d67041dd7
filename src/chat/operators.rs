//! `+`, `*`, `~`, assignment and reading, as Python has them and within the [`Budget`].

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::budget::Budget;
use super::{markup, python};

/// The deepest nesting of a value that is stored: a value is written, compared and dropped by recursion.
pub const MAX_DEPTH: usize = 128;

/// The engine's objects that look like maps and are more; the ends of their types' names, which is all that it shows.
const LIVE: [&str; 4] = ["::Namespace", "::Macro", "::Closure", "::Loop"];

/// `left + right`: texts, lists or numbers.
///
/// # Errors
/// Anything else, an overflow, the budget.
pub fn add(budget: &Budget, left: &Value, right: &Value) -> Result<Value, Error> {
    if left.as_str().is_some() && right.as_str().is_some() {
        return markup::concatenate(budget, left, right);
    }
    if is_list(left) && is_list(right) {
        return list(budget, left.try_iter()?.chain(right.try_iter()?));
    }
    arithmetic(left, right, "+", i128::checked_add, |a, b| a + b)
}

/// `left * right`: numbers, or a text or a list so many times.
///
/// # Errors
/// As [`add`].
pub fn multiply(budget: &Budget, left: &Value, right: &Value) -> Result<Value, Error> {
    let (value, times) = if left.as_str().is_some() || is_list(left) { (left, right) } else { (right, left) };
    let count = || times.as_i64().map(|n| usize::try_from(n).unwrap_or(0)).ok_or_else(|| impossible("*", left, right));
    if let Some(text) = value.as_str() {
        let count = count()?;
        budget.make(text.len().saturating_mul(count))?;
        let repeated = text.repeat(count);
        return Ok(if value.is_safe() { Value::from_safe_string(repeated) } else { repeated.into() });
    }
    if is_list(value) {
        let count = count()?;
        let items: Vec<Value> = value.try_iter()?.collect();
        budget.make_items(items.len().saturating_mul(count))?;
        return Ok(std::iter::repeat_n(items, count).flatten().collect());
    }
    arithmetic(left, right, "*", i128::checked_mul, |a, b| a * b)
}

/// `left ~ right`: both as text.
///
/// # Errors
/// The budget.
pub fn concatenate(budget: &Budget, left: &Value, right: &Value) -> Result<Value, Error> {
    let (left, right) = (python::string(left)?, python::string(right)?);
    budget.make(left.len().saturating_add(right.len()))?;
    Ok((left + &right).into())
}

/// Counts what a filter, a method or a macro returned. What is computed item by item is counted when it is stored.
///
/// # Errors
/// The budget.
pub fn made(budget: &Budget, value: Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        budget.make(text.len())?;
    } else if value.kind() == ValueKind::Seq {
        for item in value.try_iter()? {
            count_item(budget, &item)?;
        }
    }
    Ok(value)
}

/// Counts what is about to be used.
///
/// # Errors
/// The budget.
pub fn read(budget: &Budget, value: Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        budget.read(text.len())?;
    } else if value.kind() == ValueKind::Seq {
        budget.read(value.len().unwrap_or(0).saturating_mul(size_of::<Value>()))?;
    }
    Ok(value)
}

/// The value as a variable keeps it: everything that is computed item by item becomes a list, so that chains of such
/// computations do not grow from one assignment to the next.
///
/// # Errors
/// Nesting above [`MAX_DEPTH`]; the budget.
pub fn store(budget: &Budget, value: Value) -> Result<Value, Error> {
    Ok(settled(budget, &value, 0, false)?.unwrap_or(value))
}

/// [`store`] for a member of a namespace. Those outlive a loop's turns, so a namespace or a macro in one could be chained
/// without a bound.
///
/// # Errors
/// As [`store`]; a namespace or a function in the value.
pub fn store_member(budget: &Budget, value: Value) -> Result<Value, Error> {
    Ok(settled(budget, &value, 0, true)?.unwrap_or(value))
}

/// A list of `items`.
///
/// # Errors
/// The budget.
pub fn list(budget: &Budget, items: impl Iterator<Item = Value>) -> Result<Value, Error> {
    let mut list = Vec::new();
    for item in items {
        budget.make_items(1)?;
        if list.len() >= super::budget::MAX_VALUE_BYTES / super::budget::ITEM_BYTES {
            return Err(refuse(format!("a list of more than {} items", list.len())));
        }
        list.push(item);
    }
    Ok(list.into())
}

/// The value without anything that is computed item by item; nothing if it has none.
fn settled(budget: &Budget, value: &Value, depth: usize, is_member: bool) -> Result<Option<Value>, Error> {
    if !matches!(value.kind(), ValueKind::Iterable | ValueKind::Seq | ValueKind::Map | ValueKind::Plain) {
        return Ok(None);
    }
    if depth > MAX_DEPTH {
        return Err(refuse(format!("a value is nested deeper than {MAX_DEPTH}")));
    }
    let name = value.as_object().map_or("", |object| object.type_name());
    let is_live = LIVE.iter().any(|live| name.ends_with(live));
    if is_member && (is_live || value.kind() == ValueKind::Plain) {
        return Err(refuse("a namespace, a macro or a loop cannot be stored in a namespace".into()));
    }
    if value.kind() == ValueKind::Plain {
        return Ok(None);
    }
    if value.kind() == ValueKind::Map {
        return settled_map(budget, value, depth, is_member, is_live);
    }
    let mut is_changed = value.kind() == ValueKind::Iterable;
    let mut items = Vec::new();
    for item in value.try_iter()? {
        if is_changed {
            count_item(budget, &item)?
        } else {
            budget.make_items(1)?
        }
        let new = settled(budget, &item, depth + 1, is_member)?;
        is_changed |= new.is_some();
        items.push(new.unwrap_or(item));
    }
    Ok(is_changed.then(|| items.into()))
}

fn settled_map(
    budget: &Budget,
    map: &Value,
    depth: usize,
    is_member: bool,
    is_live: bool,
) -> Result<Option<Value>, Error> {
    let mut is_changed = false;
    let mut pairs = Vec::new();
    for (key, item) in map.as_object().and_then(|object| object.try_iter_pairs()).into_iter().flatten() {
        budget.make_items(2)?;
        let new = settled(budget, &item, depth + 1, is_member)?;
        is_changed |= new.is_some();
        pairs.push((key, new.unwrap_or(item)));
    }
    // the members of a namespace were settled one by one
    Ok((is_changed && !is_live).then(|| pairs.into_iter().collect()))
}

/// Counts an item, and its text as if it were a new one: it may be.
fn count_item(budget: &Budget, item: &Value) -> Result<(), Error> {
    budget.make_items(1)?;
    budget.make(item.as_str().map_or(0, str::len))
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn arithmetic(
    left: &Value,
    right: &Value,
    operator: &str,
    integers: impl Fn(i128, i128) -> Option<i128>,
    floats: impl Fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let is_number = |v: &Value| matches!(v.kind(), ValueKind::Number | ValueKind::Bool);
    let is_float = |v: &Value| v.is_number() && !v.is_integer();
    if !is_number(left) || !is_number(right) {
        return Err(impossible(operator, left, right));
    }
    if is_float(left) || is_float(right) {
        return Ok(floats(f64::try_from(left.clone())?, f64::try_from(right.clone())?).into());
    }
    let result = integers(i128::try_from(left.clone())?, i128::try_from(right.clone())?);
    let result = result.ok_or_else(|| refuse(format!("{left} {operator} {right} is too large")))?;
    Ok(i64::try_from(result).map_or_else(|_| result.into(), Value::from))
}

fn impossible(operator: &str, left: &Value, right: &Value) -> Error {
    refuse(format!("{operator} is not possible between {} and {}", left.kind(), right.kind()))
}

fn refuse(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}
