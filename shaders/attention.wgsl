// out (n, heads * head_dim) = causal softmax attention of q (n, heads * head_dim) over a layer's cache: one
// workgroup a (head, row).
// A head_dim of at most 256 fits: it is at most THREADS cells.
struct Params {
    // query heads that share a key/value head
    group: u32,
    // elements a head
    head_dim: u32,
    // f32 from one row of q to the next, and of out
    stride: u32,
    out_stride: u32,
    // cells a head
    cells: u32,
    // cells from one head of the cache to the next, and from one position to the next
    head_stride: u32,
    cache_stride: u32,
    // positions that the cache has: position p is in slot p modulo this
    slots: u32,
    // multiplies q · k
    scale: f32,
    // positions that a row sees, itself included; more than there are if there is no window
    window: u32,
    // scores s become cap * tanh(s / cap); 0 for none
    cap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (slots, cache_stride) cells
@group(0) @binding(1) var<storage, read> keys: array<Cell>;
// (slots, cache_stride) cells
@group(0) @binding(2) var<storage, read> values: array<Cell>;
// (n, stride) f32
@group(0) @binding(3) var<storage, read> q: array<f32>;
// (n, out_stride) f32
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(THREADS)
fn attention(@builtin(workgroup_id) group: vec3<u32>, at: Invocation) {
    let thread = at.thread;
    let head = group.x;
    let row = group.y;
    // causal: this row sees its own position and all before it
    let visible = step_state.position + row + 1u;
    let first = visible - min(visible, params.window);

    if (thread < params.cells) {
        var x = vec4<f32>();
        for (var i = 0u; i < min(4u, params.head_dim - 4u * thread); i++) {
            x[i] = q[row * params.stride + head * params.head_dim + 4u * thread + i];
        }
        query[thread] = x * params.scale;
    }
    workgroupBarrier();
    let none = Softmax(LOWEST, 0.0, vec4<f32>());
    let all = with_keys(none, first, visible, head / params.group * params.head_stride, at);
    put_out(all, row * params.out_stride + head * params.head_dim, thread);
}
