//! A fixed pool of threads that share the operations of a step.
//!
//! One thread, the *caller*, owns the model and runs the forward pass; the *helpers* join it in single operations. An
//! operation is a range of units (row panels, heads, rows) that write disjoint outputs; whoever is free takes the next few.
//! Who computes a number is chance, how it is computed is not: any number of threads gives the same bits.
//!
//! Between steps the helpers are parked on one word, [`Shared::epoch`], and cost nothing. [`Pool::begin`] wakes all of
//! them with one notification; until [`Pool::end`] they look for operations, first spinning, because the next one is
//! mostly a few microseconds away, then waiting. The caller waits for nobody who has not begun: a helper that sleeps, that a
//! busy device keeps from running, or that is gone costs nothing but its help.
#![allow(unsafe_code)] // a job is borrowed by other threads for the time of one call; every use says why that holds

mod parts;
#[cfg(test)]
mod tests;
mod wait;

pub(in crate::kernels) use parts::{groups, rows};
pub(super) use parts::{matmul_gated, matmuls};

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use wait::{SPINS, notify_all, wait};

/// The most threads a pool has, the caller included.
pub const MAX_THREADS: usize = 64;

/// How long the caller waits for the others before it looks again, in nanoseconds.
const SLICE_NS: i64 = 1_000_000_000;
/// In how many slices without an answer a helper counts as lost. Slices and not one long time, because a browser may stop a
/// whole page for hours: then all of its threads are late by the same one slice.
const LOST_SLICES: u32 = 10;

/// Bits of [`Shared::gate`]: helpers that are inside, whether more may come, and from there on the operation's number.
const INSIDE: u32 = (1 << 8) - 1;
const OPEN: u32 = 1 << 8;
const NUMBER: u32 = 1 << 9;

/// What an operation does with a range of its units.
type Work = dyn Fn(Range<usize>) + Sync;

/// An operation.
#[derive(Clone, Copy)]
struct Job {
    work: *const Work,
    units: usize,
    threads: usize,
}

/// What the threads of a pool have in common.
pub struct Shared {
    /// Goes up by one with every step; parked helpers wait for it.
    epoch: AtomicU32,
    /// Whether a step is running.
    is_awake: AtomicBool,
    /// The operation's number, whether it is open, and how many helpers are inside. They come in while it is open, and `job`
    /// does not change while any is.
    gate: AtomicU32,
    job: UnsafeCell<Option<Job>>,
    /// The operation's first unit that nobody has taken.
    next: AtomicUsize,
    /// How many threads the operation is for.
    limit: AtomicU32,
    /// Helpers that wait for `gate` to open.
    asleep: AtomicU32,
    /// Whether the caller waits for the last one inside.
    is_waited_for: AtomicBool,
    /// A helper ended inside.
    has_failed: AtomicBool,
    /// Helpers return as soon as they see it.
    is_over: AtomicBool,
    /// How many threads share the operations of a step with one row; see [`Shared::set_row_threads`].
    row_threads: AtomicU32,
}

// SAFETY: all fields but `job` are atomic; `job` is written by the caller only while the gate is closed and nobody inside.
unsafe impl Sync for Shared {}

impl Shared {
    /// Nothing to do, and nobody there.
    pub const fn new() -> Self {
        Self {
            epoch: AtomicU32::new(0),
            is_awake: AtomicBool::new(false),
            gate: AtomicU32::new(0),
            job: UnsafeCell::new(None),
            next: AtomicUsize::new(0),
            limit: AtomicU32::new(0),
            asleep: AtomicU32::new(0),
            is_waited_for: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            row_threads: AtomicU32::new(u32::MAX),
        }
    }

    /// The life of a helper: until [`Shared::close`].
    pub fn help(&self) {
        let (mut epoch, mut last) = (0, 0);
        while !self.is_over.load(SeqCst) {
            wait(&self.epoch, epoch, -1);
            epoch = self.epoch.load(SeqCst);
            while self.is_awake.load(SeqCst) && !self.is_over.load(SeqCst) {
                let gate = self.next_gate(last);
                if gate & OPEN != 0 && gate / NUMBER != last / NUMBER {
                    self.join(gate);
                    last = gate;
                }
            }
        }
    }

    /// Waits for the gate of another operation than `last` to be open; comes back as well when the step ends, or after a nap.
    fn next_gate(&self, last: u32) -> u32 {
        for _ in 0..SPINS {
            let gate = self.gate.load(SeqCst);
            if gate & OPEN != 0 && gate / NUMBER != last / NUMBER || !self.is_awake.load(SeqCst) {
                return gate;
            }
            std::hint::spin_loop();
        }
        // `asleep` before `gate` here, and the other way round in `open`: one of the two sees the other
        self.asleep.fetch_add(1, SeqCst);
        let gate = self.gate.load(SeqCst);
        if gate & OPEN == 0 || gate / NUMBER == last / NUMBER {
            wait(&self.gate, gate, -1);
        }
        self.asleep.fetch_sub(1, SeqCst);
        self.gate.load(SeqCst)
    }

    /// Helps with the operation whose gate was seen as `gate`, unless it is over, or has helpers enough.
    fn join(&self, gate: u32) {
        let come_in = |now: u32| {
            let is_same = now & OPEN != 0 && now / NUMBER == gate / NUMBER;
            (is_same && (now & INSIDE) + 1 < self.limit.load(SeqCst)).then_some(now + 1)
        };
        if self.gate.fetch_update(SeqCst, SeqCst, come_in).is_err() {
            return;
        }
        // SAFETY: this helper is inside, so the caller is in `run`: it neither changes `job` nor lets go of what it refers to
        if let Some(job) = unsafe { *self.job.get() } {
            self.take_part(job);
        }
        let before = self.gate.fetch_sub(1, SeqCst);
        if before & INSIDE == 1 && self.is_waited_for.load(SeqCst) {
            notify_all(&self.gate);
        }
    }

    /// Takes units until none is left: a good part of the rest at first and single ones in the end, so that all finish
    /// together however fast each is.
    fn take_part(&self, job: Job) {
        let part = |next: usize| {
            let rest = job.units - next;
            next + (rest / (2 * job.threads)).max(1)
        };
        let take = |next: usize| (next < job.units).then(|| part(next));
        while let Ok(first) = self.next.fetch_update(SeqCst, SeqCst, take) {
            // SAFETY: see `join`; the caller itself is in `run`
            unsafe { (*job.work)(first..part(first)) };
        }
    }

    /// How many threads share the operations of a step with one row, at most: fewer may be faster than all, as each costs
    /// some microseconds an operation.
    pub fn set_row_threads(&self, threads: u32) {
        self.row_threads.store(threads.max(1), SeqCst);
    }

    /// Says that a helper ended for an error: the caller must not wait for it.
    pub fn fail(&self) {
        self.has_failed.store(true, SeqCst);
        notify_all(&self.gate);
    }

    /// Lets all helpers return.
    pub fn close(&self) {
        self.is_over.store(true, SeqCst);
        self.is_awake.store(false, SeqCst);
        self.epoch.fetch_add(1, SeqCst);
        notify_all(&self.epoch);
        self.gate.fetch_add(NUMBER, SeqCst);
        notify_all(&self.gate);
    }

    fn open(&self, work: &(dyn Fn(Range<usize>) + Sync), units: usize, threads: usize) -> Job {
        // SAFETY: only the lifetime changes. Helpers use the reference while they are inside, and `run` does not return
        // before the gate is closed and the last one out.
        let work: *const Work = unsafe { std::mem::transmute::<&(dyn Fn(Range<usize>) + Sync), &Work>(work) };
        let job = Job { work, units, threads };
        // SAFETY: the gate is closed and nobody inside
        unsafe { *self.job.get() = Some(job) };
        self.next.store(0, SeqCst);
        self.limit.store(threads as u32, SeqCst);
        let number = (self.gate.load(SeqCst) / NUMBER).wrapping_add(1);
        self.gate.store(number.wrapping_mul(NUMBER) | OPEN, SeqCst);
        if self.asleep.load(SeqCst) > 0 {
            notify_all(&self.gate);
        }
        job
    }

    /// Closes the gate and waits until all are out. False if one of them never will be.
    fn is_done(&self) -> bool {
        self.gate.fetch_and(!OPEN, SeqCst);
        for _ in 0..SPINS {
            if self.gate.load(SeqCst) & INSIDE == 0 {
                return true;
            }
            std::hint::spin_loop();
        }
        self.is_waited_for.store(true, SeqCst);
        let mut slices = 0;
        let is_done = loop {
            let gate = self.gate.load(SeqCst);
            if gate & INSIDE == 0 {
                break true;
            }
            if self.has_failed.load(SeqCst) || slices == LOST_SLICES {
                break false;
            }
            let is_late = !wait(&self.gate, gate, SLICE_NS);
            slices = if is_late { slices + 1 } else { 0 };
        };
        self.is_waited_for.store(false, SeqCst);
        is_done
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

/// The caller's end of a pool.
#[derive(Clone, Copy)]
pub struct Pool {
    shared: Option<&'static Shared>,
    threads: usize,
    lost: fn() -> !,
}

impl Default for Pool {
    /// The caller alone.
    fn default() -> Self {
        Self { shared: None, threads: 1, lost: std::process::abort }
    }
}

impl Pool {
    /// A pool of `threads`, the caller included; the others have called [`Shared::help`], or are about to. `lost` is called
    /// when one of them has ended in an operation and must not return: what it was working on is still borrowed.
    pub fn new(shared: &'static Shared, threads: usize, lost: fn() -> !) -> Self {
        Self { shared: Some(shared), threads: threads.clamp(1, MAX_THREADS), lost }
    }

    /// The threads that share a step of `n` rows, if there are any but the caller.
    fn helpers(&self, n: usize) -> Option<(&'static Shared, usize)> {
        let shared = self.shared?;
        let most = if n == 1 { shared.row_threads.load(SeqCst) as usize } else { self.threads };
        let threads = most.min(self.threads);
        (threads > 1).then_some((shared, threads))
    }

    /// A step of `n` rows begins: wakes the others.
    pub fn begin(&self, n: usize) {
        let Some((shared, _)) = self.helpers(n) else { return };
        shared.is_awake.store(true, SeqCst);
        shared.epoch.fetch_add(1, SeqCst);
        notify_all(&shared.epoch);
    }

    /// The step is over: the others go to sleep.
    pub fn end(&self) {
        if let Some(shared) = self.shared {
            shared.is_awake.store(false, SeqCst);
        }
    }

    /// Calls `work` with ranges that make up 0 .. `units`, on all threads, as a step of its own.
    pub fn spread(&self, units: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
        const MANY: usize = 2; // rows: what more than one has all threads
        self.begin(MANY);
        self.run(MANY, units, work);
        self.end();
    }

    /// Calls `work` with ranges that make up 0 .. `units`, on the threads that a step of `n` rows has.
    fn run(&self, n: usize, units: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
        let Some((shared, threads)) = self.helpers(n).filter(|_| units > 1) else { return work(0..units) };
        let job = shared.open(work, units, threads);
        shared.take_part(job);
        if !shared.is_done() {
            (self.lost)();
        }
    }
}
