//! A model, its backend, and the tokens whose keys and values the cache holds.

use super::forward::forward;
use super::weights::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Backend, Head, PassKey, Sampling, Step};

/// Rows whose logits leave at once when all are wanted: bounds the logits buffer.
pub const SCORE_ROWS: usize = 16;

/// Fewer tokens than this are not left for a block of their own.
const LEFT_ROWS: usize = 8;

/// Evaluates tokens and remembers which ones the cache holds.
pub struct Session<B: Backend> {
    backend: B,
    model: Model,
    past: Vec<u32>,
    /// The token that was found last, while passes that follow it are handed over.
    ahead: Option<Ahead>,
    /// Rows of the block, the last ones of the past, that is not handed over as a whole.
    unfinished: Option<usize>,
}

/// Passes that are handed over before the tokens that they evaluate are known.
#[derive(Clone, Copy)]
struct Ahead {
    /// How their tokens are found.
    head: Head,
    /// What the first of them evaluates.
    token: u32,
    count: usize,
}

impl<B: Backend> Session<B> {
    pub(super) fn new(backend: B, model: Model) -> Self {
        Self { backend, model, past: Vec::new(), ahead: None, unfinished: None }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The tokens whose keys and values are cached.
    pub fn past(&self) -> &[u32] {
        &self.past
    }

    /// The most tokens that one [`Self::advance`] takes.
    pub fn block(&self) -> usize {
        self.backend.max_rows()
    }

    /// How many of so many tokens the next block should have. A few are never left for a block of their own: products of few rows
    /// may be summed in another order, and what a prompt gives shall not depend on how it was cut.
    pub fn next_block(&self, pending: usize) -> usize {
        let (rows, most) = (self.backend.block_rows(), self.backend.max_rows());
        match pending {
            _ if pending <= rows || pending < 2 * LEFT_ROWS && pending <= most => pending,
            _ if pending - rows < LEFT_ROWS && rows >= 2 * LEFT_ROWS => rows / 2,
            _ => rows,
        }
    }

    /// The tokens whose keys and values are known to be cached.
    pub fn evaluated(&self) -> usize {
        self.past.len().saturating_sub(self.backend.rows_under_way())
    }

    /// Forgets all but the longest prefix shared with `tokens`, leaving at least one token to evaluate; all of it where the backend
    /// no longer holds what windows would see of it. Returns how many tokens stay cached.
    pub fn rewind(&mut self, tokens: &[u32]) -> usize {
        self.fall_back();
        let shared = self.past.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        let kept = self.backend.rewind(shared.min(tokens.len().saturating_sub(1)));
        self.past.truncate(kept);
        kept
    }

    /// Checks that `tokens` are ids of this model and fit its context.
    ///
    /// # Errors
    /// `InvalidArgument` for none or an unknown id, `ContextOverflow` for too many.
    pub fn check(&self, tokens: &[u32]) -> Result<()> {
        let vocabulary = self.model.config.vocabulary;
        if tokens.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "no tokens were given; at least 1 is needed"));
        }
        if let Some(id) = tokens.iter().find(|&&t| t as usize >= vocabulary) {
            let detail = format!("token {id} is outside the vocabulary of {vocabulary}");
            return Err(Error::new(ErrorKind::InvalidArgument, detail));
        }
        if tokens.len() > self.model.context {
            let (len, context) = (tokens.len(), self.model.context);
            let detail =
                format!("{len} tokens do not fit the context of {context}; shorten them or raise contextLength");
            return Err(Error::new(ErrorKind::ContextOverflow, detail));
        }
        Ok(())
    }

    /// Evaluates `tokens` (1 ..= [`Self::block`]) after what is cached.
    ///
    /// # Errors
    /// `ContextOverflow` when the context is full; those of the backend.
    pub async fn advance(&mut self, tokens: &[u32], head: Head) -> Result<()> {
        self.begin(tokens, head, 0.0).await?;
        while !self.go_on().await? {}
        Ok(())
    }

    /// Begins to evaluate `tokens` (1 ..= [`Self::block`]) after what is cached; [`Self::go_on`] does the rest. Whatever else is
    /// done with the session before that forgets the block. With [`Head::Sample`] a token is drawn by `unit`, for
    /// [`Self::sample`] without tokens, and so for [`Self::greedy`] and [`Head::Argmax`].
    ///
    /// # Errors
    /// `ContextOverflow` when the context is full; `OutOfMemory` when keys and values cannot grow as far, which leaves everything as it
    /// was; those of the backend.
    pub async fn begin(&mut self, tokens: &[u32], head: Head, unit: f32) -> Result<()> {
        self.fall_back();
        let position = self.past.len();
        if position + tokens.len() > self.model.context {
            let context = self.model.context;
            return Err(Error::new(ErrorKind::ContextOverflow, format!("the context of {context} tokens is full")));
        }
        self.reserve(tokens.len()).await?;
        self.backend.set_unit(unit);
        let (n, model) = (tokens.len(), &self.model);
        let key = PassKey { rows: n, head };
        self.backend.begin_pass(Step { tokens, position }, key, &mut |b| forward(b, model, n, head))?;
        self.past.extend_from_slice(tokens);
        self.unfinished = Some(n);
        Ok(())
    }

    /// Makes room for so many tokens after what is cached. Passes make it for their own; who knows how many will follow asks once.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub async fn reserve(&mut self, more: usize) -> Result<()> {
        self.fall_back();
        self.backend.reserve(self.past.len().saturating_add(more)).await
    }

    /// Evaluates more of the block that was begun. Whether that is all of it, or will be without another call.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn go_on(&mut self) -> Result<bool> {
        if self.unfinished.is_some() && self.backend.go_on().await? {
            self.unfinished = None;
        }
        Ok(self.unfinished.is_none())
    }

    /// Whether a block was begun that [`Self::go_on`] has not ended.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// The first `rows` rows of logits that the last `advance` left, (rows, vocabulary).
    ///
    /// # Errors
    /// Those of reading back. The cache is then not to be trusted, and is forgotten.
    pub async fn logits(&mut self, rows: usize) -> Result<Vec<f32>> {
        let read = self.backend.read(self.model.buffers.logits, rows).await;
        self.forget_on_error(read)
    }

    /// Tells [`Self::sample`] how to choose, after `tokens`, all that it is about to follow. Gives whether the backend does that at
    /// all; if not, there are [`Self::logits`].
    ///
    /// # Errors
    /// Those of the backend.
    pub fn begin_sampling(&mut self, how: &Sampling, tokens: &[u32]) -> Result<bool> {
        self.fall_back();
        self.backend.begin_sampling(how, tokens)
    }

    /// Tells [`Self::sample`] which tokens it may choose from now on: see [`Backend::allow`].
    ///
    /// # Errors
    /// Those of the backend.
    pub fn allow(&mut self, words: &[u32]) -> Result<()> {
        self.backend.allow(words)
    }

    /// Evaluates `tokens` (1 ..= [`Self::block`]) after what is cached, or none after the last block, and gives the most likely next one. If that is what the
    /// next call evaluates, up to `more` calls may be under way already: where reading back takes time, the backend decodes
    /// ahead. Whatever else is done with the session, nothing is seen of those.
    ///
    /// # Errors
    /// As [`Self::advance`]; `NotFinite` if the logit is not a finite number; those of reading back.
    pub async fn greedy(&mut self, tokens: &[u32], more: usize) -> Result<u32> {
        self.find(tokens, more, Head::Argmax, &|_| 0.0).await
    }

    /// The same, but the next token is drawn by the number `units(0)`, in \[0, 1), as [`Self::begin_sampling`] was told; the token
    /// after it by `units(1)`, and so on.
    ///
    /// # Errors
    /// As [`Self::greedy`]; `NotFinite` if any logit is NaN or positive infinity.
    pub async fn sample(&mut self, tokens: &[u32], more: usize, units: &dyn Fn(usize) -> f32) -> Result<u32> {
        self.find(tokens, more, Head::Sample, units).await
    }

    async fn find(&mut self, tokens: &[u32], more: usize, head: Head, units: &dyn Fn(usize) -> f32) -> Result<u32> {
        let mut count = match (tokens, self.ahead) {
            (&[token], Some(ahead)) if token == ahead.token && head == ahead.head => {
                self.past.push(token);
                let count = ahead.count - 1;
                self.ahead = Some(Ahead { count, ..ahead });
                count
            }
            ([], None) => 0,
            _ => {
                self.begin(tokens, head, units(0)).await?;
                while !self.go_on().await? {}
                0
            }
        };
        while count < more.min(self.backend.run_ahead()) && self.past.len() + count < self.model.context {
            let position = self.past.len() + count;
            if self.backend.reserve(position + 1).await.is_err() {
                break; // to be told of when that token is evaluated, if it ever is
            }
            let model = &self.model;
            count += 1;
            self.backend.set_unit(units(count));
            self.backend.pass_on(position, PassKey { rows: 1, head }, &mut |b| forward(b, model, 1, head))?;
        }
        let token = self.found().await?;
        self.ahead = Some(Ahead { head, token, count }).filter(|_| count > 0);
        Ok(token)
    }

    /// Forgets what was decoded ahead, and a block that is not handed over as a whole: their keys and values are behind the past,
    /// and written over.
    fn fall_back(&mut self) {
        if let Some(rows) = self.unfinished.take() {
            self.backend.abandon_pass();
            self.past.truncate(self.past.len().saturating_sub(rows));
        }
        if self.ahead.take().is_some() {
            self.backend.forget_found();
        }
    }

    async fn found(&mut self) -> Result<u32> {
        let read = self.backend.read_found().await;
        let (id, value) = self.forget_on_error(read)?;
        if value.is_finite() {
            return Ok(id);
        }
        self.forget();
        let count = self.model.config.vocabulary;
        let detail = format!("logit {id} of {count} is {value}: the model, its weights or the device are damaged");
        Err(Error::new(ErrorKind::NotFinite, detail))
    }

    /// Forgets everything cached: for numbers that turned out not to be finite.
    pub fn forget(&mut self) {
        self.fall_back();
        self.past.clear();
    }

    fn forget_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// Log-probabilities (natural log) of tokens\[1..\] given all before each: (tokens.len() - 1).
    ///
    /// # Errors
    /// As [`Self::check`]; `NotFinite`.
    pub async fn score(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        self.check(tokens)?;
        self.past.clear();
        let vocabulary = self.model.config.vocabulary;
        let mut out = Vec::with_capacity(tokens.len() - 1);
        for block in tokens[..tokens.len() - 1].chunks(SCORE_ROWS.min(self.block())) {
            self.advance(block, Head::All).await?;
            let logits = self.logits(block.len()).await?;
            for row in logits.chunks_exact(vocabulary) {
                let next = tokens[out.len() + 1] as usize;
                out.push(log_probability(row, next).inspect_err(|_| self.past.clear())?);
            }
        }
        Ok(out)
    }
}

/// log softmax(logits)\[id\], summed in f64.
fn log_probability(logits: &[f32], id: usize) -> Result<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&l| f64::from(l - most).exp()).sum();
    let value = f64::from(logits[id] - most) - sum.ln();
    if value.is_finite() {
        Ok(value as f32)
    } else {
        Err(Error::new(ErrorKind::NotFinite, format!("the log-probability of token {id} is {value}")))
    }
}
