// What changes from step to step; written once a pass.
struct Step {
    // position of tokens[0], in tokens
    position: u32,
    // (n) token ids
    tokens: array<u32>,
}
@group(0) @binding(5) var<storage, read> step_state: Step;
