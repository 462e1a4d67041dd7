// out (n, heads * head_dim) = causal softmax attention of q (n, heads * head_dim) over a layer's cache: one
// workgroup a (head, row).
// A head_dim of at most 256 fits: it is at most THREADS lanes.
struct Params {
    // query heads that share a key/value head
    group: u32,
    // lanes a head
    lanes: u32,
    // lanes from one row of q to the next, and of out
    stride: u32,
    out_stride: u32,
    // lanes from one position of the cache to the next
    cache_stride: u32,
    // multiplies q · k
    scale: f32,
    // positions that a row sees, itself included; more than there are if there is no window
    window: u32,
    // scores s become cap * tanh(s / cap); 0 for none
    cap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (context, cache_stride) lanes
@group(0) @binding(1) var<storage, read> keys: array<Lane>;
// (context, cache_stride) lanes
@group(0) @binding(2) var<storage, read> values: array<Lane>;
// (n, stride) lanes
@group(0) @binding(3) var<storage, read> q: array<Lane>;
// (n, out_stride) lanes
@group(0) @binding(4) var<storage, read_write> out: array<Lane>;

@compute @workgroup_size(THREADS)
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = group.x;
    let row = group.y;
    let lanes = params.lanes;
    let kv_lane = head / params.group * lanes;
    // causal: this row sees its own position and all before it
    let visible = step_state.position + row + 1u;
    let first = visible - min(visible, params.window);

    if (thread < lanes) {
        query[thread] = q[row * params.stride + head * lanes + thread] * params.scale;
    }
    workgroupBarrier();
    let all = with_keys(Softmax(-3.0e38, 0.0, Lane()), first, visible, kv_lane, thread);
    put_out(all, row * params.out_stride + head * lanes, thread);
}
