// What queries and keys go through before attention takes them: norm and rotation, in workgroup memory. Queries, keys and values
// of a row lie side by side in `qkv`.

// In normed heads bit 0 stands for queries, bit 1 for keys.
fn norm_head(squares: vec2<f32>, with_key: bool, at: Invocation) {
    let thread = at.thread;
    let scale = 1.0 / sqrt(reduce_sums(squares, at) / f32(params.head_dim) + params.eps);
    if ((params.normed & 1u) != 0u) {
        for (var i = thread; i < params.head_dim; i += THREADS) {
            head_values[i] *= scale.x * q_norm[i];
        }
    }
    if (with_key && (params.normed & 2u) != 0u) {
        for (var i = thread; i < params.head_dim; i += THREADS) {
            head_values[KEY + i] *= scale.y * k_norm[i];
        }
    }
}

fn rotate(at: u32, turn: vec2<f32>) {
    let v = vec2<f32>(head_values[at], head_values[at + params.distance]);
    head_values[at] = v.x * turn.x - v.y * turn.y;
    head_values[at + params.distance] = v.x * turn.y + v.y * turn.x;
}

// Where the row's query head, and its group's key and value, begin in `qkv`.
fn query_at(row: u32, head: u32) -> u32 {
    return row * params.stride + head * params.head_dim;
}

// Brings a query head into workgroup memory, with the key and the value of its group or without; they stay as they were then.
fn load_head(row: u32, head: u32, with_key: bool, at: Invocation) {
    let thread = at.thread;
    let q = query_at(row, head);
    let kv = row * params.stride + head / params.group * params.head_dim;
    var squares = vec2<f32>();
    for (var i = thread; i < params.head_dim; i += THREADS) {
        var pair = vec2<f32>(qkv[q + i], 0.0);
        head_values[i] = pair.x;
        if (with_key) {
            pair.y = qkv[kv + params.k_at + i];
            head_values[KEY + i] = pair.y;
            head_values[VALUE + i] = qkv[kv + params.v_at + i];
        }
        squares += pair * pair;
    }
    if (params.normed != 0u) {
        norm_head(squares, with_key, at);
    }
    workgroupBarrier();
    for (var i = thread; i < params.pairs; i += THREADS) {
        let turn = table[(step_state.position + row) * params.pairs + i];
        rotate(i * params.pair_stride, turn);
        if (with_key) {
            rotate(KEY + i * params.pair_stride, turn);
        }
    }
    workgroupBarrier();
}
