//! Composes each shader variant from its files, validates it, and writes the table that `src/kernels/gpu` includes.
//!
//! A variant is one line of [`OPS`] in one of its formats, if it has any, in one of its flavours. What the host must
//! know of a variant - bindings, workgroup size, overrides, parameters - is reflected from the shader, never written twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, StorageAccess, TypeInner};

/// A shader's constants: name and value as WGSL writes it.
type Constants = &'static [(&'static str, &'static str)];

/// How an op's weights, or the cached keys and values, are stored: the files that know it.
struct Format {
    name: &'static str,
    files: &'static [&'static str],
    constants: Constants,
}

/// What a device must have beyond core WGSL. A flavour's files stand in for those of the same name without it.
#[derive(Clone, Copy, PartialEq)]
enum Flavour {
    Core,
    /// `shader-f16`.
    F16,
    /// `packed_4x8_integer_dot_product`, a language feature.
    Int8,
    /// `subgroups`.
    Subgroups,
}

impl Flavour {
    /// The end of names and files.
    fn suffix(self) -> &'static str {
        match self {
            Self::Core => "",
            Self::F16 => "_f16",
            Self::Int8 => "_int8",
            Self::Subgroups => "_subgroups",
        }
    }

    /// As `src/kernels/gpu/variants.rs` names it.
    fn name(self) -> &'static str {
        match self {
            Self::Core => "Core",
            Self::F16 => "F16",
            Self::Int8 => "Int8",
            Self::Subgroups => "Subgroups",
        }
    }

    /// What stands in front of the shader in any browser; naga knows `subgroups` without a directive only.
    fn directive(self) -> &'static str {
        if self == Self::F16 { "enable f16;\n" } else { "" }
    }
}

/// One variant of an op for each of `formats` and `flavours`.
struct Op {
    name: &'static str,
    suffix: &'static str,
    formats: &'static [&'static [Format]],
    flavours: &'static [Flavour],
    files: &'static [&'static str],
    constants: Constants,
}

/// Weights that are stored as they are, by the files that define `load_block`.
#[rustfmt::skip] // one line a format
const DENSE: &[Format] = &[
    Format { name: "f32", files: &["f32", "group_whole"], constants: &[] },
    Format { name: "f16", files: &["half", "f16", "group_whole"], constants: &[] },
    Format { name: "bf16", files: &["half", "bf16", "group_whole"], constants: &[] },
];

/// Weights in codes, named by their canonical form (`src/quant`): bits, `table` if they index one, how scales are stored, the group, `min`.
#[rustfmt::skip] // one line a format
const CODED: &[Format] = &[
    Format { name: "codes4_half32", files: &["codes_4bit", "nibbles", "scales_f16", "group_32"], constants: &[("SIGNED", "true"), NO_MIN] },
    Format { name: "codes4_half32_min", files: &["codes_4bit", "nibbles", "scales_f16", "group_32"], constants: &[("SIGNED", "false"), MIN] },
    Format { name: "codes8_half32", files: &["codes_8bit", "scales_f16", "group_32"], constants: &[NO_MIN] },
    Format { name: "codes2_half32", files: &["codes_planes", "low_2", "high_0", "values_linear", "scales_f16", "group_32"], constants: &[NO_MIN] },
    Format { name: "codes5_half32", files: &["codes_planes", "low_4", "high_1", "values_linear", "scales_f16", "group_32"], constants: &[LOW_4, NO_MIN] },
    Format { name: "codes5_half32_min", files: &["codes_planes", "low_4", "high_1", "values_linear", "scales_f16", "group_32"], constants: &[LOW_4, MIN] },
    Format { name: "codes4_table_half32", files: &["codes_planes", "low_4", "high_0", "values_table", "scales_f16", "group_32"], constants: &[NO_MIN] },
    Format { name: "codes4_table_bf32", files: &["codes_planes", "low_4", "high_0", "values_table", "scales_bf16", "group_32"], constants: &[NO_MIN] },
    Format { name: "codes4_table_half16", files: &["codes_planes", "low_4", "high_0", "values_table", "scales_f16_halves", "group_16"], constants: &[NO_MIN] },
    Format { name: "codes2_super16_min", files: &["codes_planes", "low_2", "high_0", "values_linear", "scales_super", "super_16", "group_16"], constants: &[("BYTES", "4u"), MIN] },
    Format { name: "codes3_super16", files: &["codes_planes", "low_2", "high_1", "values_linear", "scales_super", "super_16", "group_16"], constants: &[LOW_2, ("BYTES", "2u"), NO_MIN] },
    Format { name: "codes4_super32_min", files: &["codes_4bit", "nibbles", "scales_super", "super_32", "group_32"], constants: &[("SIGNED", "false"), ("BYTES", "2u"), MIN] },
    Format { name: "codes5_super32_min", files: &["codes_planes", "low_4", "high_1", "values_linear", "scales_super", "super_32", "group_32"], constants: &[LOW_4, ("BYTES", "2u"), MIN] },
    Format { name: "codes6_super16", files: &["codes_planes", "low_4", "high_2", "values_linear", "scales_super", "super_16", "group_16"], constants: &[LOW_4, ("BYTES", "2u"), NO_MIN] },
    Format { name: "codes4_table_super32", files: &["codes_planes", "low_4", "high_0", "values_table", "scales_super", "super_32", "group_32"], constants: &[("BYTES", "1u"), NO_MIN] },
    Format { name: "codes3_table_super32", files: &["codes_planes", "low_2", "high_1", "values_table", "scales_super", "super_32", "group_32"], constants: &[LOW_2, ("BYTES", "1u"), NO_MIN] },
    Format { name: "codes3_table_super16", files: &["codes_planes", "low_2", "high_1", "values_table", "scales_super", "super_16", "group_16"], constants: &[LOW_2, ("BYTES", "2u"), NO_MIN] },
    Format { name: "codes2_super32", files: &["codes_planes", "low_2", "high_0", "values_linear", "scales_super", "super_32", "group_32"], constants: &[("BYTES", "1u"), NO_MIN] },
];

/// Two formats in one chunk, the first one's panels in front: what `llama.cpp` gives queries and keys, and values, in files of mixed
/// types (Q5_0 and Q8_0, Q4_K and Q6_K, Q5_K and Q6_K).
#[rustfmt::skip] // one line a format
const MIXED: &[Format] = &[
    Format { name: "codes5_half32_codes8_half32", files: &["low_4", "high_1", "values_linear", "codes_then_8bit", "scales_f16", "group_32"], constants: &[LOW_4, NO_MIN] },
    Format { name: "codes4_super32_min_codes6_super16", files: &["low_4", "codes_then_6bit", "scales_super", "super_32_then_16", "group_16"], constants: &[("HIGH", "0u"), ("BYTES", "2u"), MIN] },
    Format { name: "codes5_super32_min_codes6_super16", files: &["low_4", "codes_then_6bit", "scales_super", "super_32_then_16", "group_16"], constants: &[("HIGH", "1u"), ("BYTES", "2u"), MIN] },
];

/// Cached keys and values (`src/kernels/kv_type.rs`), by the files that define how cells are read.
const READ: &[Format] = &[
    Format { name: "f32", files: &["kv_f32", "kv_read"], constants: &[] },
    Format { name: "f16", files: &["kv_f16", "kv_read"], constants: &[] },
    Format { name: "q8_0", files: &["kv_q8_0", "kv_q8_0_read"], constants: &[] },
];

/// By those that define how they are kept.
const KEPT: &[Format] = &[
    Format { name: "f32", files: &["kv_f32", "kv_keep"], constants: &[] },
    Format { name: "f16", files: &["kv_f16", "kv_keep"], constants: &[] },
    Format { name: "q8_0", files: &["kv_q8_0", "kv_q8_0_keep"], constants: &[] },
];

/// By both.
const READ_AND_KEPT: &[Format] = &[
    Format { name: "f32", files: &["kv_f32", "kv_read", "kv_keep"], constants: &[] },
    Format { name: "f16", files: &["kv_f16", "kv_read", "kv_keep"], constants: &[] },
    Format { name: "q8_0", files: &["kv_q8_0", "kv_q8_0_read", "kv_q8_0_keep"], constants: &[] },
];

/// An op that knows of neither.
const NONE: &[Format] = &[Format { name: "", files: &[], constants: &[] }];

const MIN: (&str, &str) = ("HAS_MIN", "true");
const NO_MIN: (&str, &str) = ("HAS_MIN", "false");
const LOW_2: (&str, &str) = ("LOW_BITS", "2u");
const LOW_4: (&str, &str) = ("LOW_BITS", "4u");

/// Tokens of a vocabulary that are sorted together.
const BLOCK: (&str, &str) = ("BLOCK", "2048u");

/// Invocations of a crew, and keys that it takes at once: see `shaders/shared/softmax.wgsl`.
const KEYS: (&str, &str) = ("KEYS", "64u");

/// Workgroups that share a token's context at most, half as many as KEYS: see `shaders/attend.wgsl`.
const MAX_SPLITS: (&str, &str) = ("MAX_SPLITS", "32u");

/// A product of two matrices at once.
const PAIR: (&str, &str) = ("PAIR", "1u");

const CORE: &[Flavour] = &[Flavour::Core];
const NARROW: &[Flavour] = &[Flavour::F16, Flavour::Int8];
const SUBGROUPS: &[Flavour] = &[Flavour::Core, Flavour::Subgroups];

#[rustfmt::skip] // one line a variant
const OPS: &[Op] = &[
    Op { name: "embed", suffix: "", formats: &[DENSE, CODED], flavours: CORE, files: &["step", "panel", "block", "four"], constants: &[] },
    Op { name: "narrow", suffix: "", formats: &[NONE], flavours: NARROW, files: &["narrowed"], constants: &[("THREADS", "64u")] },
    Op { name: "matmul", suffix: "_1x1", formats: &[DENSE, CODED, MIXED], flavours: CORE, files: &["panel", "block", "four", "input", "tile_1x1", "split_none"], constants: &[("THREADS", "64u"), ("ROWS", "1u"), ("SPLIT", "1u"), ("COLS", "1u")] },
    Op { name: "matmul", suffix: "_1x1_split", formats: &[DENSE, CODED, MIXED], flavours: CORE, files: &["panel", "block", "four", "input", "tile_1x1", "split_blocks"], constants: &[("THREADS", "16u"), ("ROWS", "1u"), ("SPLIT", "8u"), ("COLS", "1u")] },
    Op { name: "matmul", suffix: "_1x8", formats: &[DENSE, CODED, MIXED], flavours: CORE, files: &["panel", "block", "four", "input", "tile_1x8", "split_none"], constants: &[("THREADS", "64u"), ("ROWS", "1u"), ("SPLIT", "1u"), ("COLS", "8u")] },
    Op { name: "matmul", suffix: "_1x8", formats: &[CODED, MIXED], flavours: NARROW, files: &["panel", "block", "four", "input", "tile_1x8", "split_none"], constants: &[("THREADS", "64u"), ("ROWS", "1u"), ("SPLIT", "1u"), ("COLS", "8u")] },
    Op { name: "matmul", suffix: "_8x1", formats: &[DENSE, CODED, MIXED], flavours: CORE, files: &["panel", "block", "four", "input", "tile_8x1", "split_none"], constants: &[("THREADS", "8u"), ("ROWS", "8u"), ("SPLIT", "1u"), ("COLS", "1u")] },
    Op { name: "matmul", suffix: "_4x4", formats: &[DENSE, CODED, MIXED], flavours: CORE, files: &["panel", "block", "four", "input", "tile_4x4", "split_none"], constants: &[("THREADS", "16u"), ("ROWS", "4u"), ("SPLIT", "1u"), ("COLS", "4u")] },
    Op { name: "matmul", suffix: "_4x4", formats: &[CODED, MIXED], flavours: NARROW, files: &["panel", "block", "four", "input", "tile_4x4", "split_none"], constants: &[("THREADS", "16u"), ("ROWS", "4u"), ("SPLIT", "1u"), ("COLS", "4u")] },
    Op { name: "matmul", suffix: "_pair_1x1", formats: &[DENSE, CODED], flavours: CORE, files: &["panel", "block", "four", "input", "activate", "pair_1x1", "split_none"], constants: &[PAIR, ("THREADS", "64u"), ("ROWS", "1u"), ("SPLIT", "1u"), ("COLS", "1u")] },
    Op { name: "matmul", suffix: "_pair_1x1_split", formats: &[DENSE, CODED], flavours: CORE, files: &["panel", "block", "four", "input", "activate", "pair_1x1", "split_blocks"], constants: &[PAIR, ("THREADS", "16u"), ("ROWS", "1u"), ("SPLIT", "8u"), ("COLS", "1u")] },
    Op { name: "matmul", suffix: "_pair_1x4", formats: &[DENSE, CODED], flavours: CORE, files: &["panel", "block", "four", "input", "activate", "pair_1x4", "split_none"], constants: &[PAIR, ("THREADS", "64u"), ("ROWS", "1u"), ("SPLIT", "1u"), ("COLS", "4u")] },
    Op { name: "matmul", suffix: "_pair_1x4", formats: &[CODED], flavours: NARROW, files: &["panel", "block", "four", "input", "activate", "pair_1x4", "split_none"], constants: &[PAIR, ("THREADS", "64u"), ("ROWS", "1u"), ("SPLIT", "1u"), ("COLS", "4u")] },
    Op { name: "matmul", suffix: "_pair_4x1", formats: &[DENSE, CODED], flavours: CORE, files: &["panel", "block", "four", "input", "activate", "pair_4x1", "split_none"], constants: &[PAIR, ("THREADS", "16u"), ("ROWS", "4u"), ("SPLIT", "1u"), ("COLS", "1u")] },
    Op { name: "matmul", suffix: "_pair_2x4", formats: &[DENSE, CODED], flavours: CORE, files: &["panel", "block", "four", "input", "activate", "pair_2x4", "split_none"], constants: &[PAIR, ("THREADS", "32u"), ("ROWS", "2u"), ("SPLIT", "1u"), ("COLS", "4u")] },
    Op { name: "matmul", suffix: "_pair_2x4", formats: &[CODED], flavours: NARROW, files: &["panel", "block", "four", "input", "activate", "pair_2x4", "split_none"], constants: &[PAIR, ("THREADS", "32u"), ("ROWS", "2u"), ("SPLIT", "1u"), ("COLS", "4u")] },
    Op { name: "rms_norm", suffix: "", formats: &[NONE], flavours: SUBGROUPS, files: &["invocation", "reduce_sum"], constants: &[("THREADS", "64u")] },
    Op { name: "add_norm", suffix: "", formats: &[NONE], flavours: SUBGROUPS, files: &["invocation", "reduce_sum"], constants: &[("THREADS", "64u")] },
    Op { name: "norm_heads", suffix: "", formats: &[NONE], flavours: SUBGROUPS, files: &["invocation", "reduce_sum"], constants: &[("THREADS", "64u")] },
    Op { name: "rope", suffix: "", formats: &[NONE], flavours: CORE, files: &["step"], constants: &[] },
    Op { name: "store_kv", suffix: "", formats: &[KEPT], flavours: CORE, files: &["step", "head_values"], constants: &[("THREADS", "64u")] },
    Op { name: "attention", suffix: "", formats: &[READ], flavours: CORE, files: &["step", "rows_4", "rows", "soft_cap", "softmax"], constants: &[("THREADS", "128u"), ("ROWS", "4u"), KEYS] },
    Op { name: "place", suffix: "", formats: &[KEPT], flavours: SUBGROUPS, files: &["step", "head_values", "head", "invocation", "reduce_sum"], constants: &[("THREADS", "64u")] },
    Op { name: "attend", suffix: "_1", formats: &[READ_AND_KEPT], flavours: SUBGROUPS, files: &["position", "head_values", "head", "rows_1", "soft_cap", "softmax", "invocation", "reduce_sum"], constants: &[("THREADS", "64u"), ("ROWS", "1u"), KEYS, MAX_SPLITS] },
    Op { name: "attend", suffix: "_2", formats: &[READ_AND_KEPT], flavours: SUBGROUPS, files: &["position", "head_values", "head", "rows_2", "rows", "soft_cap", "softmax", "invocation", "reduce_sum"], constants: &[("THREADS", "64u"), ("ROWS", "2u"), KEYS, MAX_SPLITS] },
    Op { name: "attend", suffix: "_4", formats: &[READ_AND_KEPT], flavours: SUBGROUPS, files: &["position", "head_values", "head", "rows_4", "rows", "soft_cap", "softmax", "invocation", "reduce_sum"], constants: &[("THREADS", "64u"), ("ROWS", "4u"), KEYS, MAX_SPLITS] },
    Op { name: "attend", suffix: "_8", formats: &[READ_AND_KEPT], flavours: SUBGROUPS, files: &["position", "head_values", "head", "rows_4", "rows", "soft_cap", "softmax", "invocation", "reduce_sum"], constants: &[("THREADS", "128u"), ("ROWS", "4u"), KEYS, MAX_SPLITS] },
    Op { name: "gated", suffix: "", formats: &[NONE], flavours: CORE, files: &["activate"], constants: &[] },
    Op { name: "add", suffix: "", formats: &[NONE], flavours: CORE, files: &[], constants: &[] },
    Op { name: "add_bias", suffix: "", formats: &[NONE], flavours: CORE, files: &[], constants: &[] },
    Op { name: "scale", suffix: "", formats: &[NONE], flavours: CORE, files: &[], constants: &[] },
    Op { name: "soft_cap", suffix: "", formats: &[NONE], flavours: CORE, files: &["rows_1", "soft_cap"], constants: &[] },
    Op { name: "short_conv", suffix: "", formats: &[NONE], flavours: CORE, files: &["step"], constants: &[] },
    Op { name: "route", suffix: "", formats: &[NONE], flavours: CORE, files: &["rank"], constants: &[] },
    Op { name: "matmul_experts", suffix: "", formats: &[DENSE, CODED], flavours: CORE, files: &["panel", "block", "four"], constants: &[] },
    Op { name: "mix_experts", suffix: "", formats: &[NONE], flavours: CORE, files: &[], constants: &[] },
    Op { name: "argmax", suffix: "", formats: &[NONE], flavours: CORE, files: &["rank"], constants: &[("THREADS", "64u")] },
    Op { name: "sample_blocks", suffix: "", formats: &[NONE], flavours: CORE, files: &["step", "rank", "weigh", "sums"], constants: &[("THREADS", "256u"), BLOCK] },
    Op { name: "sample", suffix: "", formats: &[NONE], flavours: CORE, files: &["rank", "weigh", "sums"], constants: &[("THREADS", "256u"), BLOCK] },
];

/// The WebGPU default limits that a shader alone can break.
const MAX_STORAGE_BUFFERS: usize = 8;
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16 * 1024;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=shaders");
    if env::var_os("CARGO_FEATURE_GPU").is_none() {
        return;
    }
    if let Err(message) = generate() {
        eprintln!("{message}");
        std::process::exit(1);
    }
}

fn generate() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut table = String::from("pub(super) static VARIANTS: &[Variant] = &[\n");
    let mut params = String::new();
    let mut table_texts = String::new();
    let mut texts = BTreeMap::new(); // what each shader file says, by its path
    let mut shared = Shared::default();
    for op in OPS {
        for (i, (format, flavour)) in op.variants().enumerate() {
            let stored = if format.name.is_empty() { String::new() } else { format!("_{}", format.name) };
            let name = format!("{}{stored}{}{}", op.name, op.suffix, flavour.suffix());
            let files = files_of(op, format, flavour);
            for file in &files {
                let text = |path: &String| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
                if !texts.contains_key(file) {
                    texts.insert(file.clone(), without_comments(&text(file)?));
                }
            }
            let constants = constants_of(op, format, flavour);
            // what an op, and what a format brings along, is the same for many
            let (of_op, of_format) = files.split_at(op.files.len() + 1);
            let parts = [(&constants[0], of_op), (&constants[1], of_format)];
            let text = |(constants, files): &(&String, &[String])| {
                (*constants).clone() + &files.iter().map(|file| texts[file].as_str()).collect::<String>()
            };
            let module = validate(&parts.iter().map(text).collect::<String>(), &name, flavour)?;
            let parts = parts.map(|(constants, files)| {
                let files: String = files.iter().map(|file| format!(", {}", text_name(file))).collect();
                shared.reference("&[&str]", &format!("&[{constants:?}{files}]"))
            });
            let _ = writeln!(
                table,
                "    Variant {{ name: {name:?}, op: {:?}, format: {:?}, flavour: Flavour::{}, source: &[{}],",
                op.name,
                format.name,
                flavour.name(),
                parts.join(", ")
            );
            write_variant(&mut table, &mut shared, op, &module)?;
            if i == 0 {
                write_params(&mut params, op.name, &module)?;
            }
        }
    }
    for (file, text) in &texts {
        let _ = writeln!(table_texts, "const {}: &str = {text:?};", text_name(file));
    }
    let text = format!(
        "{table_texts}\n{}\n{table}];\n\n/// Each op's uniforms, as its shader declares them.\npub(super) mod params {{\n{params}}}\n",
        shared.definitions
    );
    fs::write(out.join("variants.rs"), text).map_err(|e| format!("variants.rs: {e}"))
}

impl Op {
    fn variants(&self) -> impl Iterator<Item = (&Format, Flavour)> {
        let formats = self.formats.iter().copied().flatten();
        formats.flat_map(|format| self.flavours.iter().map(move |&flavour| (format, flavour)))
    }
}

/// The op's shared files, each in its flavour if it has one, and its own, then those of the format. The device gets their texts one after another: see `Variant::source`.
fn files_of(op: &Op, format: &Format, flavour: Flavour) -> Vec<String> {
    let path = |file: &&str| {
        let flavoured = format!("shaders/shared/{file}{}.wgsl", flavour.suffix());
        if Path::new(&flavoured).exists() { flavoured } else { format!("shaders/shared/{file}.wgsl") }
    };
    let own = [format!("shaders/{}.wgsl", op.name)];
    op.files.iter().map(path).chain(own).chain(format.files.iter().map(path)).collect()
}

/// Those of the op, then those of the format.
fn constants_of(op: &Op, format: &Format, flavour: Flavour) -> [String; 2] {
    let line = |(name, value): &(&str, &str)| format!("const {name} = {value};\n");
    let centre = if flavour == Flavour::F16 { centre_of(format) } else { 0 };
    let centre = (!format.name.is_empty()).then(|| format!("const CENTRE = {centre}.0;\n"));
    let of_op = [flavour.directive().to_owned()].into_iter().chain(op.constants.iter().map(line)).collect();
    [of_op, format.constants.iter().map(line).chain(centre).collect()]
}

/// The middle of what codes can be, if the first ones have a minimum: their name begins with how many bits they have.
fn centre_of(format: &Format) -> u32 {
    let bits = format.name.strip_prefix("codes").and_then(|rest| rest.chars().next()?.to_digit(10));
    if format.constants.contains(&MIN) { bits.map_or(0, |bits| 1 << (bits - 1)) } else { 0 }
}

/// Comments and empty lines are for readers of the repository; the texts go into the wasm.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// The name of the constant that holds a file's text.
fn text_name(file: &str) -> String {
    let stem = file.trim_start_matches("shaders/").trim_end_matches(".wgsl");
    stem.replace('/', "_").to_uppercase()
}

/// Parses and validates with no optional feature but the flavour's, and checks the default limits.
fn validate(source: &str, shown: &str, flavour: Flavour) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string_with_path(source, shown))?;
    // core WGSL has unpack2x16float; naga lists it as a capability because some native devices lack it
    let optional = match flavour {
        Flavour::Core | Flavour::Int8 => Capabilities::empty(),
        Flavour::F16 => Capabilities::SHADER_FLOAT16,
        Flavour::Subgroups => Capabilities::SUBGROUP,
    };
    Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32 | optional)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .validate(&module)
        .map_err(|e| e.emit_to_string_with_path(source, shown))?;
    let storage = module.global_variables.iter().filter(|(_, v)| matches!(v.space, AddressSpace::Storage { .. }));
    let workgroup = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
    let bytes: u32 = workgroup.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx())).sum();
    let invocations: u32 = entry(&module)?.workgroup_size.iter().product();
    if storage.count() > MAX_STORAGE_BUFFERS || bytes > MAX_WORKGROUP_BYTES || invocations > MAX_INVOCATIONS {
        return Err(format!("{shown}: above a default limit ({invocations} invocations, {bytes} workgroup bytes)"));
    }
    Ok(module)
}

fn entry(module: &Module) -> Result<&naga::EntryPoint, String> {
    match module.entry_points.as_slice() {
        [one] => Ok(one),
        all => Err(format!("{} entry points, not one", all.len())),
    }
}

/// Values that many variants have, each written once.
#[derive(Default)]
struct Shared {
    definitions: String,
    /// Names, by type and value.
    names: BTreeMap<String, String>,
}

impl Shared {
    /// The name of the constant with this value.
    fn reference(&mut self, ty: &str, value: &str) -> String {
        let definition = format!("{ty} = {value};");
        if let Some(name) = self.names.get(&definition) {
            return name.clone();
        }
        let name = format!("SHARED_{}", self.names.len());
        let _ = writeln!(self.definitions, "const {name}: {definition}");
        self.names.insert(definition, name.clone());
        name
    }
}

/// What is reflected of a variant, to the end of it.
fn write_variant(out: &mut String, shared: &mut Shared, op: &Op, module: &Module) -> Result<(), String> {
    let overrides = module.overrides.iter().filter_map(|(_, o)| o.name.as_deref());
    let overrides: String = overrides.map(|name| format!("{name:?}, ")).collect();
    let overrides = shared.reference("&[&str]", &format!("&[{overrides}]"));
    let integers = op.constants.iter().filter_map(|(name, value)| Some((name, value.strip_suffix('u')?)));
    let constants: String = integers.map(|(name, value)| format!("({name:?}, {value}), ")).collect();
    let constants = shared.reference("&[(&str, u32)]", &format!("&[{constants}]"));
    let mut slots = String::new();
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else { continue };
        let kind = match variable.space {
            AddressSpace::Uniform => "Uniform",
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "ReadWrite",
            _ => "Read",
        };
        let name = variable.name.as_deref().unwrap_or_default();
        let _ = write!(slots, "Slot {{ binding: {}, name: {name:?}, kind: Kind::{kind} }}, ", binding.binding);
    }
    let slots = shared.reference("&[Slot]", &format!("&[{slots}]"));
    let workgroup = entry(module)?.workgroup_size;
    let _ = writeln!(
        out,
        "        overrides: {overrides}, workgroup: {workgroup:?}, constants: {constants}, slots: {slots} }},"
    );
    Ok(())
}

/// Mirrors the shader's uniforms, `Params` by the op's name: only four-byte scalars, so that no layout rule can differ. All
/// variants of an op have the same parameters, and what several ops share is written once.
fn write_params(out: &mut String, op: &str, module: &Module) -> Result<(), String> {
    let uniforms = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::Uniform);
    // devices write it themselves: it is a part of the step buffer
    let uniforms = uniforms.filter(|(_, v)| v.name.as_deref() != Some("step_state"));
    for (_, uniform) in uniforms {
        let ty = &module.types[uniform.ty];
        let (Some(name), TypeInner::Struct { members, .. }) = (ty.name.as_deref(), &ty.inner) else {
            return Err(format!("{op} has a uniform that is no struct"));
        };
        let name = if name == "Params" { camel(op) } else { name.to_owned() };
        if out.contains(&format!("struct {name} ")) {
            continue;
        }
        let _ = writeln!(out, "    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]\n    #[repr(C)]");
        let _ = writeln!(out, "    pub(in super::super) struct {name} {{");
        for member in members {
            let ty = match module.types[member.ty].inner {
                TypeInner::Scalar(s) if s.kind == ScalarKind::Uint && s.width == 4 => "u32",
                TypeInner::Scalar(s) if s.kind == ScalarKind::Float && s.width == 4 => "f32",
                _ => return Err(format!("{op}: {name} may hold u32 and f32 only")),
            };
            let _ = writeln!(out, "        pub {}: {ty},", member.name.as_deref().unwrap_or_default());
        }
        out.push_str("    }\n");
    }
    Ok(())
}

/// `rms_norm` to `RmsNorm`.
fn camel(name: &str) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('_').map(capital).collect()
}
