//! The `tojson` filter, as transformers defines it for chat templates: Python's `json.dumps` with
//! `ensure_ascii=False`, so `", "` and `": "` between items, keys in their own order and no HTML escapes.

use std::io;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::budget::MAX_VALUE_BYTES;
use super::python::float;

/// The deepest indentation, in spaces; more is a mistake or an attack on the size of the output.
const MAX_INDENT: usize = 32;

/// Bytes that refuse to become more than a value may have.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_VALUE_BYTES {
            return Err(io::Error::other(format!("longer than {MAX_VALUE_BYTES} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both layouts of `json.dumps`: on one line, or with `indent`.
enum Layout<'a> {
    Line { item: &'a str, key: &'a str },
    Indented(PrettyFormatter<'a>),
}

impl Formatter for Layout<'_> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { .. } => writer.write_all(b"["),
            Self::Indented(pretty) => pretty.begin_array(writer),
        }
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { .. } => writer.write_all(b"]"),
            Self::Indented(pretty) => pretty.end_array(writer),
        }
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        match self {
            Self::Line { .. } if first => Ok(()),
            Self::Line { item, .. } => writer.write_all(item.as_bytes()),
            Self::Indented(pretty) => pretty.begin_array_value(writer, first),
        }
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { .. } => Ok(()),
            Self::Indented(pretty) => pretty.end_array_value(writer),
        }
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { .. } => writer.write_all(b"{"),
            Self::Indented(pretty) => pretty.begin_object(writer),
        }
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { .. } => writer.write_all(b"}"),
            Self::Indented(pretty) => pretty.end_object(writer),
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        match self {
            Self::Line { .. } if first => Ok(()),
            Self::Line { item, .. } => writer.write_all(item.as_bytes()),
            Self::Indented(pretty) => pretty.begin_object_key(writer, first),
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { key, .. } => writer.write_all(key.as_bytes()),
            Self::Indented(pretty) => pretty.begin_object_value(writer),
        }
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self {
            Self::Line { .. } => Ok(()),
            Self::Indented(pretty) => pretty.end_object_value(writer),
        }
    }
}

/// `value | tojson(indent=none, ensure_ascii=false, separators=none)`.
pub fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<Value, Error> {
    let refuse = |detail: String| Error::new(ErrorKind::InvalidOperation, detail);
    let indent = indent.or(options.get::<Option<usize>>("indent")?);
    let ensure_ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    options.assert_all_used()?;
    if let Some(indent) = indent.filter(|&indent| indent > MAX_INDENT) {
        return Err(refuse(format!("tojson: an indent of {indent}; at most {MAX_INDENT} is supported")));
    }
    if value.is_undefined() {
        return Err(refuse("tojson: the value is undefined".into()));
    }
    let spaces = " ".repeat(indent.unwrap_or(0));
    let layout = match (indent, separators.as_deref()) {
        (Some(_), None) => Layout::Indented(PrettyFormatter::with_indent(spaces.as_bytes())),
        (None, Some([item, key])) => Layout::Line { item, key },
        (None, None) => Layout::Line { item: ", ", key: ": " },
        _ => return Err(refuse("tojson: separators must be two strings, without indent".into())),
    };
    let mut bytes = Limited(Vec::new());
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, layout))
        .map_err(|e| refuse("tojson: the value has no JSON form".into()).with_source(e))?;
    let json = String::from_utf8(bytes.0).map_err(|e| refuse("tojson: not UTF-8".into()).with_source(e))?;
    let json = if ensure_ascii { escape_non_ascii(&json) } else { json };
    Ok(json.into()) // plain text, as in transformers: only jinja2's own filter marks it as safe
}

/// `\uXXXX` for everything beyond ASCII, in UTF-16 as JSON has it.
fn escape_non_ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}
