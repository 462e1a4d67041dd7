// A code of at most 4 bits, a byte of a word, stands for a signed byte of a table, four to a word.
override TABLE_0: u32 = 0u;
override TABLE_1: u32 = 0u;
override TABLE_2: u32 = 0u;
override TABLE_3: u32 = 0u;

fn values(word: u32) -> Four {
    let codes = unsigned_bytes(word);
    let upper = (codes & vec4<u32>(4u)) != vec4<u32>(0u);
    let low = select(vec4<u32>(TABLE_0), vec4<u32>(TABLE_1), upper);
    let high = select(vec4<u32>(TABLE_2), vec4<u32>(TABLE_3), upper);
    let words = select(low, high, (codes & vec4<u32>(8u)) != vec4<u32>(0u));
    let at = vec4<u32>(24u) - 8u * (codes & vec4<u32>(3u));
    return from_integers(bitcast<vec4<i32>>(words << at) >> vec4<u32>(24u));
}
