// `step` where only the position is wanted, and a storage buffer more would be one too many.
struct Position {
    // of the pass's row
    position: u32,
}
@group(0) @binding(5) var<uniform> step_state: Position;
