// Keys and values as IEEE halves; needs no `shader-f16`. A cell is four elements of a head, two a word; a head's last cell may
// end in zeros.
alias Cell = vec2<u32>;

fn unpacked(cell: Cell) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(cell.x), unpack2x16float(cell.y));
}

// The nearest halves, ties to even; what is beyond 65504 becomes that, what is not finite NaN, as in `kernels/kv_type.rs`. In
// integers, because pack2x16float may round either way, and gives anything beyond 65504.
fn packed(x: vec4<f32>) -> Cell {
    let bits = bitcast<vec4<u32>>(x);
    let size = bits & vec4<u32>(0x7fffffffu);
    // the exponent counts from 112 less, and 13 bits go
    let tie = (size >> vec4<u32>(13u)) & vec4<u32>(1u);
    let normal = min((size - vec4<u32>(0x37fff001u) + tie) >> vec4<u32>(13u), vec4<u32>(0x7bffu));
    // below 2^-14 halves are multiples of 2^-24
    let small = vec4<u32>(round(min(abs(x), vec4<f32>(1.0)) * 16777216.0));
    var halves = select(small, normal, size >= vec4<u32>(0x38800000u));
    halves = select(halves, vec4<u32>(0x7e00u), size >= vec4<u32>(0x7f800000u));
    halves |= (bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u);
    return halves.xz | (halves.yw << vec2<u32>(16u));
}
