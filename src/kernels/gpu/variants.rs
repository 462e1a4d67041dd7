//! The table of shader variants, which `build.rs` generates, and their compiled pipelines.

use super::internal;
use crate::error::Result;

/// How a shader uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Uniform,
    Read,
    ReadWrite,
}

/// A buffer that a shader declares.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) binding: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a device must have beyond core WGSL for a variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flavour {
    #[default]
    Core,
    /// The feature `shader-f16`.
    F16,
    /// The language feature `packed_4x8_integer_dot_product`.
    Int8,
    /// The feature `subgroups`.
    Subgroups,
}

/// A validated shader and what the host must know of it.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    pub(super) op: &'static str,
    /// How its weights, or keys and values, are stored; or empty.
    pub(super) format: &'static str,
    pub(super) flavour: Flavour,
    /// Directives, constants and files of the op, then those of the format; the shader is all of them one after another.
    pub(super) source: &'static [&'static [&'static str]],
    /// Names of what is set when a pipeline is made.
    pub(super) overrides: &'static [&'static str],
    pub(super) workgroup: [u32; 3],
    /// Integer constants that it was composed with.
    pub(super) constants: &'static [(&'static str, u32)],
    pub(super) slots: &'static [Slot],
}

include!(concat!(env!("OUT_DIR"), "/variants.rs"));

impl Variant {
    /// The value of an integer constant.
    pub(super) fn constant(&self, name: &str) -> Result<u32> {
        let found = self.constants.iter().find(|c| c.0 == name);
        found.map(|c| c.1).ok_or_else(|| internal(format!("{} has no constant {name}", self.name)))
    }

    /// Whether an integer constant has a value.
    pub(super) fn has(&self, name: &str, value: u32) -> bool {
        self.constants.contains(&(name, value))
    }
}

/// The variants of an op for a format of its weights or of the cache (empty if it reads neither), in core WGSL and in others.
pub(super) fn variants_of(op: &str, format: &str) -> impl Iterator<Item = &'static Variant> {
    VARIANTS.iter().filter(move |v| v.op == op && v.format == format)
}

/// The only variant of an op in core WGSL.
pub(super) fn variant(op: &str, format: &str) -> Result<&'static Variant> {
    let found = variants_of(op, format).find(|v| v.flavour == Flavour::Core);
    found.ok_or_else(|| internal(format!("no variant of {op} for \"{format}\"")))
}

/// Of variants and how much of something each takes, the one that takes the least that is enough, or else the most.
pub(super) fn least_enough(
    wanted: u32,
    variants: impl IntoIterator<Item = (u32, &'static Variant)>,
) -> Option<&'static Variant> {
    let order = |size: u32| if size >= wanted { (false, size) } else { (true, u32::MAX - size) };
    variants.into_iter().min_by_key(|v| order(v.0)).map(|v| v.1)
}

/// Values for overrides; a variant takes those that it names.
pub(super) type Overrides = Vec<(&'static str, f64)>;

/// A compiled variant. The pipeline is made when a program first needs it.
pub(super) struct Pipeline {
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) compute: wgpu::ComputePipeline,
}

impl Pipeline {
    /// Compiles `variant`; errors go to the error scope around the call.
    pub(super) fn new(device: &wgpu::Device, variant: &Variant, overrides: &Overrides) -> Self {
        let entries: Vec<_> = variant.slots.iter().map(layout_entry).collect();
        let label = Some(variant.name);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        // browsers ask for what naga refuses
        let directive = match variant.flavour {
            Flavour::Subgroups if cfg!(target_arch = "wasm32") => "enable subgroups;\n",
            _ => "",
        };
        let source = [directive, &variant.source.concat().concat()].concat();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let named = overrides.iter().filter(|o| variant.overrides.contains(&o.0));
        let constants: Vec<_> = named.copied().collect();
        let compute = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(variant.op),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        });
        Self { layout, compute }
    }
}

fn layout_entry(slot: &Slot) -> wgpu::BindGroupLayoutEntry {
    let ty = match slot.kind {
        Kind::Uniform => wgpu::BufferBindingType::Uniform,
        Kind::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Kind::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
    };
    wgpu::BindGroupLayoutEntry {
        binding: slot.binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}
