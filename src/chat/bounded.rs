//! Filters whose result can be much larger than what they are given. They count first, then allocate.

use minijinja::value::{Kwargs, Rest};
use minijinja::{Error, ErrorKind, FormatStyle, State, Value, format_filter};

use super::budget::Budget;
use super::{operators, python};

/// The most rows of `batch` and `slice`.
const MAX_ROWS: usize = 4096;

/// The longest format text, in bytes.
const MAX_FORMAT_BYTES: usize = 4096;

/// The most digits of a width or a precision in a format text, and the size that follows.
const MAX_FORMAT_DIGITS: usize = 4;
const MAX_FORMAT_WIDTH: usize = 10_usize.pow(MAX_FORMAT_DIGITS as u32);

/// `items | join(separator="", attribute=none)`, and the other way round as a method of the separator.
///
/// # Errors
/// `items` cannot be iterated; the budget.
pub fn join(budget: &Budget, items: &Value, separator: Option<&Value>, options: Kwargs) -> Result<Value, Error> {
    let by_name = options.get::<Option<Value>>("d")?;
    let attribute = options.get::<Option<Value>>("attribute")?;
    options.assert_all_used()?;
    let separator = separator.or(by_name.as_ref()).map_or(Ok(String::new()), python::string)?;
    let mut joined = String::new();
    for (index, item) in items.try_iter()?.enumerate() {
        let item = attribute.as_ref().map_or(Ok(item.clone()), |name| item.get_item(name))?;
        let text = python::string(&item)?;
        let separator = if index == 0 { "" } else { &separator };
        budget.make(text.len().saturating_add(separator.len()))?;
        budget_of_one(joined.len().saturating_add(text.len()))?;
        joined.push_str(separator);
        joined.push_str(&text);
    }
    Ok(joined.into())
}

/// `text | replace(old, new, count=none)`; a negative count is none.
///
/// # Errors
/// The budget.
pub fn replace(budget: &Budget, text: &str, old: &str, new: &str, count: Option<i64>) -> Result<Value, Error> {
    let most = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let found = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    budget.make(text.len().saturating_add(found.min(most).saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, most).into())
}

/// `items | sum(attribute=none, start=0)`
///
/// # Errors
/// What [`operators::add`] refuses.
pub fn sum(
    budget: &Budget,
    items: &Value,
    attribute: Option<Value>,
    start: Option<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    let attribute = attribute.or(options.get("attribute")?);
    let start = start.or(options.get("start")?);
    options.assert_all_used()?;
    items.try_iter()?.try_fold(start.unwrap_or_else(|| Value::from(0)), |sum, item| {
        let item = attribute.as_ref().map_or(Ok(item.clone()), |name| item.get_item(name))?;
        operators::add(budget, &sum, &item)
    })
}

/// `items | batch(count, fill=none)`
///
/// # Errors
/// A count of 0 or above [`MAX_ROWS`].
pub fn batch(state: &State, items: Value, count: usize, fill: Option<Value>) -> Result<Value, Error> {
    minijinja::filters::batch(state, items, rows(count)?, fill)
}

/// `items | slice(count, fill=none)`
///
/// # Errors
/// As [`batch`].
pub fn slice(state: &State, items: Value, count: usize, fill: Option<Value>) -> Result<Value, Error> {
    minijinja::filters::slice(state, items, rows(count)?, fill)
}

fn rows(count: usize) -> Result<usize, Error> {
    if count <= MAX_ROWS {
        return Ok(count);
    }
    Err(refuse(format!("a count of {count}; at most {MAX_ROWS} are allowed")))
}

/// `text | format(...)` in the style of C, or the method `format` of a text in Python's.
///
/// # Errors
/// A format text above [`MAX_FORMAT_BYTES`], a width above [`MAX_FORMAT_DIGITS`] digits, what the engine refuses, the
/// budget.
pub fn format(budget: &Budget, style: FormatStyle, text: &str, values: &Rest<Value>) -> Result<Value, Error> {
    if text.len() > MAX_FORMAT_BYTES {
        return Err(refuse(format!("a format of {} bytes; at most {MAX_FORMAT_BYTES} are allowed", text.len())));
    }
    if text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > MAX_FORMAT_DIGITS) {
        return Err(refuse(format!("a format with a number of more than {MAX_FORMAT_DIGITS} digits")));
    }
    let mut longest = MAX_FORMAT_WIDTH;
    for value in values.iter() {
        longest = longest.max(python::string(value)?.len().saturating_mul(2));
    }
    let fields = text.matches(['%', '{']).count();
    budget_of_one(fields.saturating_mul(longest))?;
    let formatted = format_filter(style, text, values)?;
    budget.make(formatted.len())?;
    Ok(formatted.into())
}

/// The widest indentation, in bytes.
const MAX_INDENT: usize = 256;

/// `text | indent(width=4, first=false, blank=false)` of jinja2: a line break at the end stays, empty lines stay empty
/// unless `blank`.
///
/// # Errors
/// A width above [`MAX_INDENT`], the budget.
pub fn indent(
    budget: &Budget,
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<Value, Error> {
    let width = width.or(options.get("width")?);
    let first = first.or(options.get("first")?).unwrap_or(false);
    let blank = blank.or(options.get("blank")?).unwrap_or(false);
    options.assert_all_used()?;
    let spaces = match width.as_ref().map(|width| (width.as_str(), width.as_usize())) {
        None => " ".repeat(4),
        Some((Some(prefix), _)) if prefix.len() <= MAX_INDENT => prefix.to_string(),
        Some((_, Some(width))) if width <= MAX_INDENT => " ".repeat(width),
        _ => return Err(refuse(format!("indent: the width must be a text or a number of at most {MAX_INDENT}"))),
    };
    let lines = text.split('\n').count();
    budget.make(text.len().saturating_add(lines.saturating_mul(spaces.len())))?;
    let mut indented = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        indented.push_str(if index == 0 { "" } else { "\n" });
        if if index == 0 { first } else { blank || !line.is_empty() } {
            indented.push_str(&spaces);
        }
        indented.push_str(line);
    }
    Ok(indented.into())
}

/// A limit for a result whose parts have been counted, or cannot be.
fn budget_of_one(bytes: usize) -> Result<(), Error> {
    Budget::default().make(bytes)
}

fn refuse(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}
