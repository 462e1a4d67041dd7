// Activations as products with narrow operands take them: each block of 32 divided by its largest and multiplied by LARGEST, and beside
// it what undoes that and the sums of its halves. One invocation a (row, block).
struct Params {
    n: u32,
    // vectors of four from one row of x to the next
    x_stride: u32,
    // blocks of 32 in a row; x is zero behind its last element up to there
    blocks: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, x_stride) vectors of four
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
// (n, blocks): (what they are multiplied with, the sums of the halves of the block, 0)
@group(0) @binding(8) var<storage, read_write> x_scales: array<vec4<f32>>;

const INFINITE = 0x7f800000u;

@compute @workgroup_size(THREADS)
fn narrow(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let item = (group.x + group.y * groups.x) * THREADS + thread;
    if (item >= params.n * params.blocks) {
        return;
    }
    let at = item / params.blocks * params.x_stride + item % params.blocks * 8u;
    var block = array<vec4<f32>, 8>();
    var largest = vec4<f32>();
    var bits = vec4<u32>();
    for (var j = 0u; j < 8u; j++) {
        let v = x[at + j];
        block[j] = v;
        largest = max(largest, abs(v));
        bits = max(bits, bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu));
    }
    let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
    let most_bits = max(max(bits.x, bits.y), max(bits.z, bits.w));
    // what is smaller has no inverse in f32, and its products vanish
    let inverse = select(0.0, LARGEST / most, most > 1e-36);
    // of what is kept: weights with a minimum are further from 0 without it, and so would their errors be
    var sums = vec2<f32>();
    for (var j = 0u; j < 8u; j++) {
        let kept = put(item * 8u + j, block[j] * inverse);
        sums[j / 4u] += (kept.x + kept.y) + (kept.z + kept.w);
    }
    // not a number if one is infinite or none: WGSL does not promise what arithmetic makes of them
    let scale = select(bitcast<u32>(most / LARGEST), INFINITE | 1u, most_bits >= INFINITE);
    x_scales[item] = vec4<f32>(bitcast<f32>(scale), sums * (most / LARGEST), 0.0);
}
