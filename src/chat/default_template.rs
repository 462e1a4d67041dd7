//! Templates for models that come without one, chosen by what their vocabulary has.

/// ChatML, as introduced by OpenAI and used by SmolLM and Qwen: for vocabularies that have both of its marks.
pub const DEFAULT_TEMPLATE: &str = "\
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}";

/// For all others: a dialogue in plain words, which a model that has seen none of the marks can go on with. What the
/// system says comes first, without a name; then `User: ` and `Assistant: ` paragraphs.
pub const PLAIN_TEMPLATE: &str = "\
{{- bos_token }}
{%- for message in messages %}
{%- if message['role'] in ['user', 'assistant'] %}
{{- message['role'] | capitalize + ': ' }}
{%- endif %}
{{- message['content'] + '\\n\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- 'Assistant:' }}
{%- endif %}";

/// Where an answer to [`PLAIN_TEMPLATE`] ends: a model without a mark for the end of a turn goes on with the next one.
pub const PLAIN_STOP: &str = "\nUser:";

/// The template for a vocabulary of these tokens.
pub fn default_template(has_token: impl Fn(&str) -> bool) -> &'static str {
    if ["<|im_start|>", "<|im_end|>"].into_iter().all(has_token) { DEFAULT_TEMPLATE } else { PLAIN_TEMPLATE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatTemplate, RenderOptions};

    #[test]
    fn the_vocabulary_decides() {
        assert_eq!(default_template(|token| token.starts_with("<|im_")), DEFAULT_TEMPLATE);
        assert_eq!(default_template(|token| token == "<|im_start|>"), PLAIN_TEMPLATE);
    }

    #[test]
    fn a_dialogue_in_plain_words() {
        let turn = |role: &str, content: &str| serde_json::json!({ "role": role, "content": content });
        let messages =
            [turn("system", "Be brief."), turn("user", "Hi"), turn("assistant", "Hello"), turn("user", "1+1?")];
        let options = RenderOptions { add_generation_prompt: true, ..Default::default() };
        let template = ChatTemplate::new(PLAIN_TEMPLATE, "<s>", "").unwrap();
        let prompt = template.render(&serde_json::json!(messages), &options).unwrap();
        assert_eq!(prompt, "<s>Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: 1+1?\n\nAssistant:");
    }
}
