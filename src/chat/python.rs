//! How Python writes values, for what a template prints or turns into a string: `True`, `None`, `['a', 1.0]`.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// The longest text of one value, in bytes; the same limit as the whole output.
const MAX_BYTES: usize = super::MAX_OUTPUT_BYTES;

/// The deepest nesting that is written.
const MAX_DEPTH: usize = 128;

/// `str(value)`; undefined is empty, as in jinja2.
pub fn string(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    if let Some(plain) = value.as_str() {
        text.push_str(plain);
    } else if !value.is_undefined() {
        write(&mut text, value, 0)?;
    }
    Ok(text)
}

/// Appends `repr(value)`.
fn write(text: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH || text.len() > MAX_BYTES {
        let detail = format!("a value is nested deeper than {MAX_DEPTH} or its text is above {MAX_BYTES} bytes");
        return Err(Error::new(ErrorKind::InvalidOperation, detail));
    }
    match value.kind() {
        ValueKind::Undefined => text.push_str("Undefined"),
        ValueKind::None => text.push_str("None"),
        ValueKind::Bool => text.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) if !value.is_integer() => text.push_str(&float(number)),
            _ => text.push_str(&value.to_string()),
        },
        ValueKind::String => quote(text, value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            text.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write(text, &item, depth + 1)?;
            }
            text.push(']');
        }
        ValueKind::Map => {
            text.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write(text, &key, depth + 1)?;
                text.push_str(": ");
                write(text, &value.get_item(&key)?, depth + 1)?;
            }
            text.push('}');
        }
        _ => text.push_str(&value.to_string()),
    }
    Ok(())
}

/// Appends `repr` of a string: single quotes, unless only double ones avoid an escape.
fn quote(text: &mut String, plain: &str) {
    let quote = if plain.contains('\'') && !plain.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for c in plain.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            c if c == quote => text.extend(['\\', c]),
            c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push(quote);
}

/// `repr(number)`: the shortest digits that read back, with an exponent from 1e16 up and below 1e-4.
pub fn float(number: f64) -> String {
    if number.is_nan() || number.is_infinite() {
        return format!("{number}");
    }
    let scientific = format!("{number:e}");
    match scientific.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) {
        Some((digits, Ok(exponent))) if number != 0.0 && !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{number:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_in_python() {
        let value: serde_json::Value =
            serde_json::from_str(r#"{"a": [true, null, 1, 1.0, "it's", "a\"'\n"], "é": {}}"#).unwrap();
        let text = string(&Value::from_serialize(value)).unwrap();
        assert_eq!(text, r#"{'a': [True, None, 1, 1.0, "it's", 'a"\'\n'], 'é': {}}"#);
        assert_eq!(string(&Value::UNDEFINED).unwrap(), "");
        assert_eq!(string(&Value::from("it's")).unwrap(), "it's");
    }

    #[test]
    fn floats_are_the_shortest_that_read_back() {
        let cases = [(0.0, "0.0"), (-0.0, "-0.0"), (21.5, "21.5"), (1e15, "1000000000000000.0"), (1e16, "1e+16")];
        for (number, text) in cases.into_iter().chain([(1.5e-5, "1.5e-05"), (0.0001, "0.0001"), (-1e300, "-1e+300")]) {
            assert_eq!(float(number), text);
        }
    }
}
