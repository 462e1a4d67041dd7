//! A fixed pool of threads that share the operations of a step.
//!
//! One thread, the *caller*, owns the model and runs the forward pass; the others help with single operations. Each
//! operation is divided into as many parts as there are threads, by position alone, so who computes a number depends on
//! its place in the output and how it is computed does not: any number of threads gives the same bits.
//!
//! Between steps the helpers are parked on one word, [`Shared::epoch`], and cost nothing. [`Pool::begin`] wakes all of
//! them with one notification; until [`Pool::end`] they look for operations, first spinning, because the next one is
//! mostly a few microseconds away, then waiting. The caller waits for them likewise at the end of every operation.
#![allow(unsafe_code)] // a job is borrowed by other threads for the time of one call; every use says why that holds

mod parts;
#[cfg(test)]
mod tests;
mod wait;

pub(super) use parts::{attention, matmul, rows};

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use wait::{SPINS, notify_all, wait};

/// The most threads a pool has, the caller included.
pub const MAX_THREADS: usize = 64;

/// How long the caller waits for the others before it looks again, in nanoseconds.
const SLICE_NS: i64 = 1_000_000_000;
/// In how many slices without an answer a helper counts as lost. Slices and not one long time, because a browser may stop a
/// whole page for hours: then all of its threads are late by the same one slice.
const LOST_SLICES: u32 = 10;

/// Bits of [`Shared::ticket`] that hold how many threads the operation is for.
const COUNT_BITS: u32 = 8;

/// What an operation does: called with the number of the part, 0 for the caller's.
type Job = dyn Fn(usize) + Sync;

/// What the threads of a pool have in common.
pub struct Shared {
    /// Goes up by one with every step; parked helpers wait for it.
    epoch: AtomicU32,
    /// Whether a step is running.
    awake: AtomicBool,
    /// Changes with every operation: its number, and in the low [`COUNT_BITS`] for how many threads it is. A helper whose
    /// index is below that count finds it in `job`, which then does not change before the helper is done.
    ticket: AtomicU32,
    job: UnsafeCell<Option<*const Job>>,
    /// Helpers that wait for `ticket`.
    asleep: AtomicU32,
    /// Helpers that are not done with the operation; the caller waits for 0.
    left: AtomicU32,
    /// Whether the caller waits for `left`.
    is_waited_for: AtomicBool,
    /// A helper ended in mid-operation.
    has_failed: AtomicBool,
    /// Helpers return as soon as they see it.
    is_over: AtomicBool,
    /// How many threads share the operations of a step with one row; see [`Shared::set_row_threads`].
    row_threads: AtomicU32,
}

// SAFETY: all fields but `job` are atomic; `job` is written by the caller only while no helper may read it, see `ticket`.
unsafe impl Sync for Shared {}

impl Shared {
    /// Nothing to do, and nobody there.
    pub const fn new() -> Self {
        Self {
            epoch: AtomicU32::new(0),
            awake: AtomicBool::new(false),
            ticket: AtomicU32::new(0),
            job: UnsafeCell::new(None),
            asleep: AtomicU32::new(0),
            left: AtomicU32::new(0),
            is_waited_for: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            row_threads: AtomicU32::new(u32::MAX),
        }
    }

    /// The life of helper `index`, from 1 on: until [`Shared::close`].
    pub fn help(&self, index: usize) {
        let (mut epoch, mut ticket) = (0, 0);
        while !self.is_over.load(SeqCst) {
            wait(&self.epoch, epoch, -1);
            epoch = self.epoch.load(SeqCst);
            while self.awake.load(SeqCst) && !self.is_over.load(SeqCst) {
                let next = self.next(ticket);
                if next != ticket {
                    ticket = next;
                    self.work(index, next);
                }
            }
        }
    }

    /// The ticket after `last`, or `last` if the step ends before there is one, or after a nap.
    fn next(&self, last: u32) -> u32 {
        for _ in 0..SPINS {
            let ticket = self.ticket.load(SeqCst);
            if ticket != last || !self.awake.load(SeqCst) {
                return ticket;
            }
            std::hint::spin_loop();
        }
        // `asleep` before `ticket` here, and the other way round in `publish`: one of the two sees the other
        self.asleep.fetch_add(1, SeqCst);
        wait(&self.ticket, last, -1);
        self.asleep.fetch_sub(1, SeqCst);
        self.ticket.load(SeqCst)
    }

    fn work(&self, index: usize, ticket: u32) {
        if index >= (ticket & ((1 << COUNT_BITS) - 1)) as usize {
            return;
        }
        // SAFETY: the ticket is for this helper, so the caller is inside `run`: it neither changes `job` nor lets go of
        // what `job` refers to before `left` is 0, which needs the subtraction below
        if let Some(job) = unsafe { *self.job.get() } {
            unsafe { (*job)(index) };
        }
        if self.left.fetch_sub(1, SeqCst) == 1 && self.is_waited_for.load(SeqCst) {
            notify_all(&self.left);
        }
    }

    /// How many threads share the operations of a step with one row, at most: fewer may be faster than all, as each costs
    /// some microseconds an operation.
    pub fn set_row_threads(&self, threads: u32) {
        self.row_threads.store(threads.max(1), SeqCst);
    }

    /// Says that a helper ended in mid-operation: the caller must not wait for it.
    pub fn fail(&self) {
        self.has_failed.store(true, SeqCst);
        notify_all(&self.left);
    }

    /// Lets all helpers return.
    pub fn close(&self) {
        self.is_over.store(true, SeqCst);
        self.epoch.fetch_add(1, SeqCst);
        notify_all(&self.epoch);
        self.next_ticket(0); // for nobody
        notify_all(&self.ticket);
    }

    fn next_ticket(&self, threads: usize) {
        let number = (self.ticket.load(SeqCst) >> COUNT_BITS).wrapping_add(1);
        self.ticket.store(number << COUNT_BITS | threads as u32, SeqCst);
    }

    fn publish(&self, job: &(dyn Fn(usize) + Sync), threads: usize) {
        // SAFETY: only the lifetime changes. Helpers use the reference before they take themselves off `left`, and `run`
        // does not return before that is 0.
        let job: *const Job = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &Job>(job) };
        // SAFETY: `left` is 0: no helper has a ticket for what is in `job` now
        unsafe { *self.job.get() = Some(job) };
        self.left.store(threads as u32 - 1, SeqCst);
        self.next_ticket(threads);
        if self.asleep.load(SeqCst) > 0 {
            notify_all(&self.ticket);
        }
    }

    /// Waits until all helpers are done. False if one of them never will be.
    fn is_done(&self) -> bool {
        for _ in 0..SPINS {
            if self.left.load(SeqCst) == 0 {
                return true;
            }
            std::hint::spin_loop();
        }
        self.is_waited_for.store(true, SeqCst);
        let mut slices = 0;
        let is_done = loop {
            let left = self.left.load(SeqCst);
            if left == 0 {
                break true;
            }
            if self.has_failed.load(SeqCst) || slices == LOST_SLICES {
                break false;
            }
            let is_late = !wait(&self.left, left, SLICE_NS);
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
    /// A pool of `threads`, the caller included; `threads - 1` others have called [`Shared::help`] with the indices from 1 on,
    /// or are about to. `lost` is called when one of them has ended and must not return: what it was working on is still
    /// borrowed.
    pub fn new(shared: &'static Shared, threads: usize, lost: fn() -> !) -> Self {
        Self { shared: Some(shared), threads: threads.clamp(1, MAX_THREADS), lost }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
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
        shared.awake.store(true, SeqCst);
        shared.epoch.fetch_add(1, SeqCst);
        notify_all(&shared.epoch);
    }

    /// The step is over: the others go to sleep.
    pub fn end(&self) {
        if let Some(shared) = self.shared {
            shared.awake.store(false, SeqCst);
        }
    }

    /// Calls `job` with every part of 0 .. `units`, divided among the threads that a step of `n` rows has.
    fn run(&self, n: usize, units: usize, job: &(dyn Fn(Range<usize>) + Sync)) {
        let Some((shared, threads)) = self.helpers(n).filter(|_| units > 1) else { return job(0..units) };
        let threads = threads.min(units);
        let part = |index: usize| job(units * index / threads..units * (index + 1) / threads);
        shared.publish(&part, threads);
        part(0);
        if !shared.is_done() {
            (self.lost)();
        }
    }
}
