// Sums of one value an invocation, in a fixed order and with few barriers, over a workgroup of THREADS = RUN * RUN.
const RUN = 16u;
// (THREADS)
var<workgroup> values: array<f32, THREADS>;
// (RUN): the sums of RUN values each
var<workgroup> runs: array<f32, RUN>;

fn add_runs(value: f32, thread: u32) {
    values[thread] = value;
    workgroupBarrier();
    if (thread < RUN) {
        var sum = 0.0;
        for (var i = 0u; i < RUN; i++) {
            sum += values[thread * RUN + i];
        }
        runs[thread] = sum;
    }
    workgroupBarrier();
}

fn sum_of_all(value: f32, thread: u32) -> f32 {
    add_runs(value, thread);
    var sum = 0.0;
    for (var i = 0u; i < RUN; i++) {
        sum += runs[i];
    }
    return sum;
}

// The sum of the values of the invocations before this one.
fn sum_before(value: f32, thread: u32) -> f32 {
    add_runs(value, thread);
    let run = thread / RUN;
    var sum = 0.0;
    for (var i = 0u; i < run; i++) {
        sum += runs[i];
    }
    for (var i = run * RUN; i < thread; i++) {
        sum += values[i];
    }
    // values have been read before the next ones are written
    workgroupBarrier();
    return sum;
}
