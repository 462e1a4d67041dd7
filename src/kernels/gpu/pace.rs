//! How much is handed to the device at once. A submit cannot be taken back, and while a device works on one it may show nothing
//! else: so passes are cut into submits by what they are estimated to take, and of a prompt no more is under way than keeps the
//! device busy.
//!
//! Work is counted in bytes of weights, once for each row that is multiplied with them. How long a byte takes is measured where
//! submits end, for single rows and for blocks apart. Nothing that is computed depends on it.

use std::collections::VecDeque;

use futures_channel::oneshot;

use super::program::Program;
use super::{Gpu, Options};
use crate::error::Result;
use std::rc::Rc;

/// Bytes that a dispatch counts as beside the weights that it reads.
pub(super) const DISPATCH_WORK: u64 = 16 << 10;
/// Rows of the smallest block: as many as one invocation multiplies at once, so that fewer take as long.
const FEWEST_ROWS: usize = 8;
/// Milliseconds a byte on a device that is not known: that of emulations on slow processors. Submits too many cost little.
pub(super) const SLOWEST: f64 = 8e-6;
/// How many submits' time is under way of a prompt, at most.
const SUBMITS_AHEAD: f64 = 3.0;
/// Milliseconds that are measured at least.
const MEASURED: f64 = 10.0;
/// Browsers may tell so late that something is done: Firefox looks every 100 ms.
const TOLD_LATE: f64 = 110.0;

/// Which of the two rates a pass has: rows alone, or together.
fn kind(rows: usize) -> usize {
    usize::from(rows > 1)
}

/// Milliseconds a byte, for single rows and for blocks.
pub(super) type Rates = [f64; 2];

/// A submit that is not known to be done.
struct Flying {
    kind: usize,
    work: f64,
    /// Rows that are evaluated once it is done.
    rows: usize,
    /// When it was handed over.
    since: f64,
    /// When it was done.
    done: oneshot::Receiver<f64>,
}

/// What is under way, and what has been measured since a rate was last set.
#[derive(Default)]
pub(super) struct Pace {
    flying: VecDeque<Flying>,
    /// When the last of those before them was done.
    last: f64,
    spent: Rates,
    worked: Rates,
}

impl Pace {
    /// Takes note of what is done, and learns from it.
    fn collect(&mut self, rates: &mut Rates) {
        while let Some(first) = self.flying.front_mut() {
            match first.done.try_recv() {
                Ok(None) => break,
                Ok(Some(at)) => self.end(at),
                Err(oneshot::Canceled) => drop(self.flying.pop_front()), // with its device
            }
        }
        self.learn(rates);
    }

    /// The oldest was done at this time.
    fn end(&mut self, at: f64) {
        let Some(ended) = self.flying.pop_front() else { return };
        self.spent[ended.kind] += (at - ended.since.max(self.last)).max(0.0);
        self.worked[ended.kind] += ended.work;
        self.last = at;
    }

    /// With more under way, the device was busy all the time. Without, it may have waited to be told of, or for work.
    fn learn(&mut self, rates: &mut Rates) {
        let was_busy = !self.flying.is_empty();
        for (kind, rate) in rates.iter_mut().enumerate() {
            let (spent, worked) = (self.spent[kind], self.worked[kind]);
            if worked == 0.0 || was_busy && spent < MEASURED {
                continue;
            }
            let (least, most) = ((spent - TOLD_LATE) / worked, (spent + 1.0) / worked);
            if was_busy || *rate < least {
                *rate = most;
            } else {
                *rate = rate.min(most / 2.0); // what remains of an error is at most so much
            }
            (self.spent[kind], self.worked[kind]) = (0.0, 0.0);
        }
    }

    /// Milliseconds that what is under way is estimated to take.
    fn ahead(&self, rates: Rates) -> f64 {
        self.flying.iter().map(|f| f.work * rates[f.kind]).sum()
    }

    fn rows(&self) -> usize {
        self.flying.iter().map(|f| f.rows).sum()
    }
}

/// A pass of which a part is handed over.
pub(super) struct Unfinished {
    program: Rc<Program>,
    /// Dispatches that are handed over.
    handed: usize,
    /// Submits that the pass is cut into.
    parts: usize,
}

/// The block's rows: the most, halved until its heaviest dispatch, of so many milliseconds a row, takes no more than `limit`.
fn rows_within(most: usize, row_ms: f64, limit: f64) -> usize {
    let mut rows = most;
    while rows / 2 >= FEWEST_ROWS && rows as f64 * row_ms > limit {
        rows /= 2;
    }
    rows
}

/// Where a list of dispatches with this work is cut after `handed` of them, if it has so many parts of about the same work.
fn cut(work: &[u64], handed: usize, parts: usize) -> usize {
    let total: u64 = work.iter().sum();
    let share = (total / parts.max(1) as u64).max(1);
    let before: u64 = work[..handed].iter().sum();
    let end = (before / share + 1).saturating_mul(share);
    let mut sum = before;
    let mut at = handed;
    while at < work.len() && (at == handed || sum + work[at] <= end) {
        sum += work[at];
        at += 1;
    }
    // what division leaves goes along
    if work.len() - at > 0 && total - sum < share / 2 { work.len() } else { at }
}

impl Gpu {
    /// Rows that a prompt's next block should have.
    pub(super) fn paced_rows(&self) -> usize {
        let options = &self.device.options;
        let heaviest = match self.heaviest_row {
            0 => self.matrices.iter().map(|m| m.product_bytes()).max().unwrap_or(0), // no block is recorded
            known => known,
        };
        rows_within(options.max_rows, heaviest as f64 * self.device.rates.get()[1], options.submit_ms)
    }

    /// Hands over all of a pass, in as many submits as it takes.
    pub(super) fn submit(&mut self, program: Rc<Program>) -> Result<()> {
        self.begin(program);
        while self.submit_part()? {}
        Ok(())
    }

    /// Begins to hand over a pass.
    pub(super) fn begin(&mut self, program: Rc<Program>) {
        self.collect();
        let estimated = program.total_work() as f64 * self.device.rates.get()[kind(program.rows)];
        let parts = (estimated / self.device.options.submit_ms).ceil();
        let parts = (parts as usize).clamp(1, program.dispatches());
        self.unfinished = Some(Unfinished { program, handed: 0, parts });
    }

    /// Hands over what the device can do in the next time, then waits for the oldest of what is under way, if that is more than it
    /// takes to keep it busy. Whether all of the pass is handed over.
    pub(super) async fn hand_over(&mut self) -> Result<bool> {
        self.device.check()?;
        self.collect();
        let limit = SUBMITS_AHEAD * self.device.options.submit_ms;
        while self.pace.ahead(self.device.rates.get()) < limit {
            if !self.submit_part()? {
                return Ok(true);
            }
        }
        self.device.wait()?;
        if let Some(oldest) = self.pace.flying.front_mut() {
            let at = (&mut oldest.done).await.map_err(|_| self.device.lost())?;
            self.pace.end(at); // what ended with it may not be known yet: nothing is learned before the next call
        }
        self.device.check()?;
        Ok(self.unfinished.is_none())
    }

    /// Rows of passes that are not known to be done.
    pub(super) fn flying_rows(&self) -> usize {
        self.pace.rows() + self.unfinished.as_ref().map_or(0, |u| u.program.rows)
    }

    /// Takes note of what passes ask for.
    pub(super) fn weigh(&mut self, program: &Program) {
        match program.rows {
            1 => self.row_work = program.total_work(),
            rows => {
                let heaviest = program.work.iter().max().copied().unwrap_or(0);
                self.heaviest_row = self.heaviest_row.max(heaviest / rows as u64);
            }
        }
    }

    /// Whether single rows take so long that one ahead keeps the device busy.
    pub(super) fn is_slow(&self) -> bool {
        self.row_work as f64 * self.device.rates.get()[0] > TOLD_LATE
    }

    /// One submit of the pass that is being handed over; false if there is none any more.
    pub(super) fn submit_part(&mut self) -> Result<bool> {
        let Some(mut unfinished) = self.unfinished.take() else { return Ok(false) };
        let program = unfinished.program.clone();
        let (first, end) = (unfinished.handed, cut(&program.work, unfinished.handed, unfinished.parts));
        self.submit_dispatches(&program, first..end)?;
        let is_last = end == program.dispatches();
        let (sender, done) = oneshot::channel();
        let clock = self.device.options.clock;
        self.device.queue.on_submitted_work_done(move || {
            let _ = sender.send(clock());
        });
        self.pace.flying.push_back(Flying {
            kind: kind(program.rows),
            work: program.work[first..end].iter().sum::<u64>() as f64,
            rows: if is_last { program.rows } else { 0 },
            since: clock(),
            done,
        });
        if !is_last {
            unfinished.handed = end;
            self.unfinished = Some(unfinished);
        }
        Ok(!is_last)
    }

    /// Milliseconds from now until the device has done what `job` hands over, and all before it.
    ///
    /// # Errors
    /// Those of `job`; `DeviceLost`, `GpuFailure`.
    pub async fn timed(&mut self, job: impl FnOnce(&mut Self) -> Result<()>) -> Result<f64> {
        let Options { clock, pause, .. } = self.device.options;
        let begun = clock();
        job(self)?;
        let (sender, mut done) = oneshot::channel();
        self.device.queue.on_submitted_work_done(move || {
            let _ = sender.send(clock());
        });
        self.device.wait()?;
        loop {
            match done.try_recv() {
                Ok(Some(at)) => break self.device.check().map(|()| at - begun),
                Ok(None) => pause().await,
                Err(oneshot::Canceled) => break Err(self.device.lost()),
            }
            // Firefox looks what is done when something is submitted, and else every 100 ms
            self.device.queue.submit([]);
            self.counters.submits += 1;
        }
    }

    fn collect(&mut self) {
        let mut rates = self.device.rates.get();
        self.pace.collect(&mut rates);
        self.device.rates.set(rates);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that takes `true_rate` a byte and tells of it every `tick` ms, or at once: what is learned from passes of `rows`
    /// rows and so much work, `ahead` of them under way at a time.
    fn learned(true_rate: f64, tick: f64, work: f64, ahead: usize, passes: usize) -> f64 {
        let mut pace = Pace::default();
        let mut rates = [SLOWEST; 2];
        let (mut now, mut free) = (1000.0f64, 1000.0f64);
        let mut ends: VecDeque<(f64, oneshot::Sender<f64>)> = VecDeque::new();
        for _ in 0..passes {
            while ends.len() < ahead {
                let (sender, done) = oneshot::channel();
                free = free.max(now) + work * true_rate;
                pace.flying.push_back(Flying { kind: 1, work, rows: 8, since: now, done });
                ends.push_back((free, sender));
            }
            let first = ends.front().unwrap().0;
            now = if tick > 0.0 { (first / tick).ceil() * tick } else { first };
            while ends.front().is_some_and(|(end, _)| *end <= now) {
                let (end, sender) = ends.pop_front().unwrap();
                sender.send(if tick > 0.0 { now } else { end }).unwrap();
            }
            pace.collect(&mut rates);
        }
        rates[1]
    }

    #[test]
    fn a_device_is_known_after_some_submits() {
        // ms a byte of a phone, an integrated and a large GPU; and what is slower than the guess, where a submit then takes longer
        for (true_rate, submit) in [(1e-7, 20.0), (1e-8, 20.0), (1e-9, 20.0), (1e-4, 200.0)] {
            for (tick, ahead) in [(0.0, 1), (0.0, 3), (100.0, 8)] {
                let rate = learned(true_rate, tick, submit / true_rate, ahead, 12) / true_rate;
                assert!((0.5..1.3).contains(&rate), "{true_rate} a byte, told every {tick} ms: {rate} of it");
            }
        }
    }

    #[test]
    fn what_waited_to_be_told_of_is_no_measurement() {
        // a token of 1 ms, told of after 100
        let rate = learned(1e-8, 100.0, 1e5, 1, 5);
        assert!(rate <= SLOWEST, "{rate}");
        // one of 1,000 ms is one all the same
        let rate = learned(1e-4, 100.0, 1e7, 1, 5) / 1e-4;
        assert!((0.9..1.2).contains(&rate), "{rate}");
    }

    #[test]
    fn blocks_are_halved_until_a_dispatch_is_short() {
        assert_eq!(rows_within(64, 0.1, 50.0), 64);
        assert_eq!(rows_within(64, 1.0, 50.0), 32);
        assert_eq!(rows_within(64, 2.0, 50.0), 16);
        assert_eq!(rows_within(64, 1e9, 50.0), 8);
        assert_eq!(rows_within(64, 1e9, f64::INFINITY), 64);
        assert_eq!(rows_within(5, 1e9, 50.0), 5);
    }

    #[test]
    fn a_pass_is_cut_into_parts_of_like_work() {
        let ends = |work: &[u64], parts: usize| {
            let (mut at, mut ends) = (0, Vec::new());
            while at < work.len() {
                at = cut(work, at, parts);
                ends.push(at);
            }
            ends
        };
        assert_eq!(ends(&[1; 8], 1), [8]);
        assert_eq!(ends(&[1; 8], 2), [4, 8]);
        assert_eq!(ends(&[1; 8], 8), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(ends(&[1; 8], 99), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(ends(&[1, 1, 90, 1, 1, 90, 1, 1], 2), [4, 8]);
        assert_eq!(ends(&[5, 5, 5, 90], 4), [3, 4]);
        // what does not fit a share goes alone, and the shares stay where they are
        assert_eq!(ends(&[3; 7], 2), [3, 4, 7]);
    }
}
