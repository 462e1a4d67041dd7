//! WGSL kernels over wgpu.
