//! `{% generation %}`, which transformers adds to jinja2 to mark what the assistant said. The body is printed as it is.

/// Replaces the tags by an `if` that always holds: the engine does not know them, and an `if` treats the white space
/// around it in the same way.
pub fn strip(source: &str) -> String {
    let mut stripped = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        stripped.push_str(before);
        match read_tag(tag) {
            Some((mark, name, after)) => {
                stripped.push_str(mark);
                stripped.push_str(if name == "generation" { " if true " } else { " endif " });
                rest = after;
            }
            None => rest = tag,
        }
    }
    stripped + rest
}

/// The white space mark, the name, and the rest from the closing mark on, if this is one of the two tags.
fn read_tag(tag: &str) -> Option<(&str, &str, &str)> {
    let (mark, inner) = tag.split_at(usize::from(tag.starts_with(['-', '+'])));
    let inner = inner.trim_start();
    let name = ["generation", "endgeneration"].into_iter().find(|name| inner.starts_with(name))?;
    let after = inner.get(name.len()..)?.trim_start();
    ["%}", "-%}", "+%}"].iter().any(|close| after.starts_with(close)).then_some((mark, name, after))
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn only_the_two_tags_change() {
        assert_eq!(strip("a{%- generation -%}b{% endgeneration+%}"), "a{%- if true -%}b{% endif +%}");
        for other in ["", "{%", "{% generation", "{% generations %}", "{% if generation %}é{{ generation }}", "{%é%}"]
        {
            assert_eq!(strip(other), other);
        }
    }
}
