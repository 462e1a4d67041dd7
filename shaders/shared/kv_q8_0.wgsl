// Keys and values of 8 bits: a cell is four elements of a head, in two's complement. Behind the cells of a head are its scales,
// f32, one for eight cells.
// element = scale * code
alias Cell = u32;
const GROUP = 8u;

fn codes(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
