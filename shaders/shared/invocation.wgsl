// Which invocation of its workgroup this is.
struct Invocation {
    @builtin(local_invocation_index) thread: u32,
}
