// routes (n, 2 * used) = the indices of the largest of each row of logits (n, experts), then the softmax over those: one
// invocation a row. There are few experts, and fewer rows than invocations.
struct Params {
    n: u32,
    experts: u32,
    // experts that a row goes through
    used: u32,
    // f32 from one row of logits to the next
    stride: u32,
    // f32 from one row of routes to the next
    routes_stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// (n, stride) f32
@group(0) @binding(3) var<storage, read> logits: array<f32>;
// (n, routes_stride) f32
@group(0) @binding(4) var<storage, read_write> routes: array<f32>;

@compute @workgroup_size(64)
fn route(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.n) {
        return;
    }
    let from_logit = id.x * params.stride;
    let indices = id.x * params.routes_stride;
    let weights = indices + params.used;
    // in descending order and, among equals, by index: each comes after the last
    var last_rank = 0xffffffffu;
    var last = 0u;
    var most = 0.0;
    var total = 0.0;
    for (var slot = 0u; slot < params.used; slot++) {
        var best_rank = 0u;
        var best = params.experts;
        for (var i = 0u; i < params.experts; i++) {
            let r = rank(bitcast<u32>(logits[from_logit + i]));
            let is_left = r < last_rank || (r == last_rank && i > last);
            if (is_left && (best == params.experts || r > best_rank)) {
                best_rank = r;
                best = i;
            }
        }
        last_rank = best_rank;
        last = best;
        let logit = logits[from_logit + best];
        if (slot == 0u) {
            most = logit;
        }
        let weight = exp(logit - most);
        total += weight;
        routes[indices + slot] = f32(best);
        routes[weights + slot] = weight;
    }
    for (var slot = 0u; slot < params.used; slot++) {
        routes[weights + slot] /= total;
    }
}
