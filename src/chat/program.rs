//! A template as instructions of the engine, with checks between them.
//!
//! The engine has no hook for its operators, so the compiled program is rewritten: an operator becomes a call of a filter
//! that counts first ([`super::operators`]), and what a filter, a method or a macro returns, what is stored, and what is
//! read goes through one. Each replacement takes from the stack and leaves on it what the original did. Text between
//! tags is printed by the formatter, like everything else, so that text which a macro or a block collects is counted.
//!
//! This uses the engine's `unstable_machinery`; its version is pinned for that reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::machinery::{
    CompiledTemplate, Instruction, Instructions, TemplateConfig, Token, Vm, WhitespaceConfig, make_string_output,
    tokenize,
};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, Value};

/// Names of the filters that [`super::operators`] provides; a template cannot write those with a colon.
pub mod hook {
    pub const ADD: &str = "op:add";
    pub const MULTIPLY: &str = "op:multiply";
    pub const CONCATENATE: &str = "op:concatenate";
    /// What a call returned.
    pub const MADE: &str = "op:made";
    /// What is about to be used.
    pub const READ: &str = "op:read";
    /// What a variable or an argument becomes.
    pub const STORE: &str = "op:store";
    /// What a member of a namespace becomes.
    pub const STORE_MEMBER: &str = "op:store_member";
    /// Gives its value back; see [`super::unfolded`].
    pub const SAME: &str = "__same";
}

/// Constants up to this length are read without being counted: the steps bound them.
const SHORT: usize = 64;

/// No cached look-up of the filter: the engine's caches belong to the names that its compiler has numbered.
const NOT_CACHED: u8 = !0;

const NAME: &str = "chat template";

/// Where the template ends and how white space around tags is treated: as in transformers.
const WHITE_SPACE: WhitespaceConfig =
    WhitespaceConfig { keep_trailing_newline: false, lstrip_blocks: true, trim_blocks: true };

/// `source` with each product kept from being computed while it is compiled, before anything can be counted: the left
/// operand goes through a filter that does nothing.
pub fn unfolded(source: &str) -> String {
    let mut unfolded = String::with_capacity(source.len());
    let (mut copied, mut is_operand) = (0, false);
    for token in tokenize(source, false, SyntaxConfig, WHITE_SPACE) {
        let Ok((token, span)) = token else { break }; // the parser will say it better
        let at = span.start_offset as usize;
        if matches!(token, Token::Mul) && is_operand {
            unfolded.push_str(source.get(copied..at).unwrap_or_default());
            unfolded.push_str("|__same ");
            copied = at;
        }
        is_operand = !matches!(token, Token::ParenOpen | Token::Comma); // otherwise it unpacks an argument
    }
    unfolded + source.get(copied..).unwrap_or_default()
}

/// Every name in the expressions of `source`, whatever it stands for.
pub fn names(source: &str) -> BTreeSet<String> {
    let tokens = tokenize(source, false, SyntaxConfig, WHITE_SPACE).map_while(Result::ok);
    tokens.filter_map(|(token, _)| if let Token::Ident(name) = token { Some(name.to_string()) } else { None }).collect()
}

/// A template, compiled.
pub struct Program<'source> {
    main: Instructions<'source>,
    /// The bodies of `{% block %}` by name.
    blocks: BTreeMap<&'source str, Instructions<'source>>,
}

/// Parses and compiles `source`.
///
/// # Errors
/// Whatever the parser refuses.
pub fn compile(source: &str) -> Result<Program<'_>, Error> {
    let config = TemplateConfig {
        syntax_config: SyntaxConfig,
        ws_config: WHITE_SPACE,
        default_auto_escape: Arc::new(|_| AutoEscape::None),
    };
    let plain = CompiledTemplate::new(NAME, source, &config)?;
    let blocks = plain.blocks.iter().map(|(name, block)| (*name, guarded(block))).collect();
    Ok(Program { main: guarded(&plain.instructions), blocks })
}

/// Runs a program.
///
/// # Errors
/// Whatever the template, the engine or a check refuses.
pub fn run(program: &Program<'_>, environment: &Environment<'_>, context: Value) -> Result<String, Error> {
    let mut text = String::new();
    let mut output = make_string_output(&mut text);
    Vm::new(environment).eval(&program.main, context, &program.blocks, &mut output, AutoEscape::None)?;
    drop(output);
    Ok(text)
}

/// The program with its checks.
fn guarded<'source>(plain: &Instructions<'source>) -> Instructions<'source> {
    let mut expanded = Vec::with_capacity(plain.len());
    let mut starts = Vec::with_capacity(plain.len() + 1);
    for index in 0..plain.len() as u32 {
        starts.push(expanded.len() as u32);
        let line = plain.get_line(index).unwrap_or_default() as u16;
        let instructions = plain.get(index).cloned().into_iter().flat_map(checked);
        expanded.extend(instructions.map(|instruction| (instruction, line)));
    }
    starts.push(expanded.len() as u32);
    let mut program = Instructions::new(plain.name(), plain.source());
    for (mut instruction, line) in expanded {
        if let Some(target) = target(&mut instruction) {
            *target = starts.get(*target as usize).copied().unwrap_or(*target);
        }
        program.add_with_line(instruction, line);
    }
    program
}

/// Where an instruction may jump to.
fn target<'i>(instruction: &'i mut Instruction<'_>) -> Option<&'i mut u32> {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}

/// What an instruction becomes. Jumps keep pointing to the first of these.
fn checked(instruction: Instruction<'_>) -> Vec<Instruction<'_>> {
    let unary = |name| Instruction::ApplyFilter(name, Some(1), NOT_CACHED);
    let binary = |name| vec![Instruction::ApplyFilter(name, Some(2), NOT_CACHED)];
    match instruction {
        Instruction::EmitRaw(text) => vec![Instruction::LoadConst(text.into()), Instruction::Emit],
        Instruction::Add => binary(hook::ADD),
        Instruction::Mul => binary(hook::MULTIPLY),
        Instruction::StringConcat => binary(hook::CONCATENATE),
        Instruction::StoreLocal(_) => vec![unary(hook::STORE), instruction],
        // the namespace lies on top of the value
        Instruction::SetAttr(_) => vec![Instruction::Swap, unary(hook::STORE_MEMBER), Instruction::Swap, instruction],
        Instruction::Lookup(_) | Instruction::GetAttr(_) | Instruction::GetItem => vec![instruction, unary(hook::READ)],
        Instruction::LoadConst(ref value) if value.as_str().is_some_and(|text| text.len() > SHORT) => {
            vec![instruction, unary(hook::READ)]
        }
        Instruction::ApplyFilter(..)
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(..)
        | Instruction::Slice
        | Instruction::EndCapture => vec![instruction, unary(hook::MADE)],
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_not_folded_and_unpacking_stays() {
        let cases = [
            ("{{ 'a' * 3 }} * {{ f(*x) }}{{ f(1, *x) }}", "{{ 'a' |__same * 3 }} * {{ f(*x) }}{{ f(1, *x) }}"),
            ("{% raw %}{{ 2 * 3 }}{% endraw %}{# 2 * 3 #}{{ '2 * 3' }}", ""),
            ("{{ 2 ** 3 }}é{{ 'é' }}", ""),
            ("{{ 'é'*2*2 }}", "{{ 'é'|__same *2|__same *2 }}"),
            ("{{ 2 * 'open", "{{ 2 |__same * 'open"),
        ];
        for (source, expected) in cases {
            assert_eq!(unfolded(source), if expected.is_empty() { source } else { expected });
        }
    }

    #[test]
    fn jumps_follow_what_they_pointed_to() {
        let source = "{% for i in x %}a{% if i %}{{ i + 1 }}{% else %}{% break %}{% endif %}{% else %}b{% endfor %}c";
        let config = TemplateConfig {
            syntax_config: SyntaxConfig,
            ws_config: WHITE_SPACE,
            default_auto_escape: Arc::new(|_| AutoEscape::None),
        };
        let plain = CompiledTemplate::new(NAME, source, &config).unwrap().instructions;
        let (mut program, mut jumps) = (guarded(&plain), 0);
        let first_of = |index: u32| checked(plain.get(index).unwrap().clone()).remove(0);
        let mut at = 0;
        for index in 0..plain.len() as u32 {
            let mut original = plain.get(index).unwrap().clone();
            if let Some(&mut old) = target(&mut original) {
                let new = *target(program.get_mut(at).unwrap()).unwrap();
                let (want, got) = (first_of(old), program.get(new).unwrap());
                let kind = |i: &Instruction| format!("{i:?}").split('(').next().unwrap_or_default().to_string();
                assert_eq!(kind(&want), kind(got), "{index}");
                jumps += 1;
            }
            at += checked(original).len() as u32;
        }
        assert!(jumps >= 4 && at == program.len() as u32, "{jumps}");
    }
}
