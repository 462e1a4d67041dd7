//! One generation: prefill block by block, then a token a step.

use super::Engine;
use super::constraint::Constraint;
use crate::chat::{Calls, ChatTemplate, Offered, PLAIN_STOP, Pieces, Splitter, Stage, ToolCall};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Backend, Head};
use crate::sampling::{Allowed, MAX_STOPS, Sampled, Sampler, SamplingOptions, StopMatcher, TokenLogprob};
use crate::tokenizer::Detokenizer;

/// What a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// Tokens to generate at most; absent, as many as the context has room for.
    pub max_tokens: Option<usize>,
    /// Texts that end the generation and do not appear in it.
    pub stop: Vec<String>,
    /// Go on after an end-of-generation token.
    pub ignore_eos: bool,
    /// The rendered template, if this is a chat: reasoning is then told apart from the answer, and an answer to the
    /// template in plain words ends with its paragraph.
    pub chat_prompt: Option<String>,
    /// The tools that the template was given, if this is a chat with tools: their calls are then told apart from the text.
    pub tools: Option<serde_json::Value>,
    /// The answer is held to a grammar, which the caller knows: [`Engine::allow`] says before each token what it may be.
    pub constrained: bool,
}

/// What [`Engine::start`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// How many of them were still in the cache.
    pub cached_tokens: usize,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An end-of-generation token or a stop string.
    Stop,
    /// `max_tokens` or the context's end.
    Length,
}

/// A generated token.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenEvent {
    /// The id.
    pub id: u32,
    /// Reasoning that can be shown now, before `text`; only in a chat.
    pub reasoning: String,
    /// The text that can be shown now; it may be empty, or belong to earlier tokens too.
    pub text: String,
    /// Calls of tools that it completes; only in a chat with tools.
    pub calls: Vec<ToolCall>,
    /// ln p of the token in the model's own distribution, if asked for.
    pub logprob: Option<f64>,
    /// The most likely tokens of that distribution, most likely first, if asked for.
    pub top_logprobs: Vec<TokenLogprob>,
    /// Whether it is one of those that [`Engine::allow`] named, so that others follow it; only in a constrained generation.
    pub is_constrained: bool,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Some of the prompt was evaluated, or handed to the device.
    Prefill {
        /// Prompt tokens known to be evaluated so far, cached ones included.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
    },
    /// A token was generated.
    Token(TokenEvent),
    /// The generation is over.
    Finish {
        /// Why.
        reason: Reason,
        /// What was held back, now to be shown.
        rest: Pieces,
    },
}

/// The state between steps.
pub(super) struct Generation {
    /// Tokens that are not evaluated yet: the rest of the prompt, and generated ones, which are one unless they are replayed.
    pending: Vec<u32>,
    prompt_tokens: usize,
    generated: usize,
    max_tokens: usize,
    ignore_eos: bool,
    sampler: Sampler,
    constraint: Option<Constraint>,
    /// Whether tokens are drawn on the device.
    on_device: bool,
    detokenizer: Detokenizer,
    splitter: Option<Splitter>,
    calls: Option<Calls>,
    /// Tokens that are each a tag around reasoning or a mark of calls, and its text: a special token has none of its own.
    tags: Vec<(u32, &'static str)>,
    stops: StopMatcher,
    /// Set by the step that found the end; the next one reports it.
    ended: Option<Reason>,
}

impl<B: Backend> Engine<B> {
    /// Begins a generation after `prompt`, ending any that is running. Keys and values of the longest prefix that is
    /// still cached are kept.
    ///
    /// # Errors
    /// `InvalidArgument` for options or tokens; `ContextOverflow` if the prompt leaves no room for a token.
    pub fn start(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<Started> {
        self.session.check(prompt)?;
        let room = self.info.context_length - prompt.len();
        if room == 0 {
            let (len, context) = (prompt.len(), self.info.context_length);
            let detail = format!(
                "a prompt of {len} tokens leaves no room in the context of {context}; shorten it or raise contextLength"
            );
            return Err(Error::new(ErrorKind::ContextOverflow, detail));
        }
        let stops = StopMatcher::new(&self.stop_texts(&options))?;
        if options.constrained {
            self.tokenizer()?; // without tokens a grammar says nothing
        }
        let splitter = self.splitter(&options);
        let calls = self.calls(&options)?;
        let tags = self.tag_tokens(splitter.is_some(), calls.is_some())?;
        let constraint = self.constraint(&options, &tags, splitter.as_ref());
        let mut sampler = Sampler::new(options.sampling, self.info.vocabulary_size)?;
        if options.constrained {
            sampler.allow(Some(Allowed::all(self.info.vocabulary_size)));
        }
        for &id in prompt {
            sampler.accept(id)?;
        }
        let cached_tokens = self.session.rewind(prompt);
        let how = sampler.on_device().filter(|_| !sampler.is_plain_greedy());
        let on_device = how.map_or(Ok(false), |how| self.session.begin_sampling(&how, prompt))?;
        self.generation = Some(Generation {
            pending: prompt[cached_tokens..].to_vec(),
            prompt_tokens: prompt.len(),
            generated: 0,
            max_tokens: options.max_tokens.unwrap_or(room).min(room),
            ignore_eos: options.ignore_eos,
            sampler,
            constraint,
            on_device,
            detokenizer: Detokenizer::new(false),
            splitter,
            calls,
            tags,
            stops,
            ended: None,
        });
        Ok(Started { prompt_tokens: prompt.len(), cached_tokens })
    }

    /// Goes on with a generation that another engine with the same model has begun, after [`Self::start`] with the same
    /// prompt and options: takes the tokens that it generated as if they had been generated here. Their text is not given
    /// again, and what follows them is what would have followed there.
    ///
    /// # Errors
    /// `InvalidArgument` if nothing was started, for an unknown id, or for more tokens than were asked for. An error ends
    /// the generation.
    pub fn replay(&mut self, generated: &[u32]) -> Result<()> {
        let mut g = self.running()?;
        if generated.len() > g.max_tokens - g.generated {
            let detail = format!("{} tokens to replay; {} can follow", generated.len(), g.max_tokens - g.generated);
            return Err(Error::new(ErrorKind::InvalidArgument, detail));
        }
        for &id in generated {
            g.sampler.replay(id)?;
            self.take(&mut g, id)?;
        }
        if let Some(how) = g.sampler.on_device().filter(|_| g.on_device) {
            // the penalties' window on the device begins with what is known, too
            let tokens = [self.session.past(), &g.pending].concat();
            self.session.begin_sampling(&how, &tokens)?;
        }
        self.generation = Some(g);
        Ok(())
    }

    /// Does the next piece of work.
    ///
    /// # Errors
    /// `InvalidArgument` if nothing was started; `NotFinite`; those of the backend. An error ends the generation, except
    /// that [`Self::stop`] still gives what was held back when it is the device that failed (`DeviceLost`, `GpuFailure`).
    pub async fn step(&mut self) -> Result<Event> {
        let mut g = self.running()?;
        let event = self.advance(&mut g).await;
        let is_kept = match &event {
            Ok(event) => !matches!(event, Event::Finish { .. }),
            Err(error) => matches!(error.kind(), ErrorKind::DeviceLost | ErrorKind::GpuFailure),
        };
        if is_kept {
            self.generation = Some(g);
        }
        event
    }

    fn running(&mut self) -> Result<Generation> {
        let none = || Error::new(ErrorKind::InvalidArgument, "no generation is running; start one first");
        self.generation.take().ok_or_else(none)
    }

    /// What tells reasoning from the answer, in a chat with a model that may reason.
    fn splitter(&self, options: &GenerateOptions) -> Option<Splitter> {
        let tags = self.template.as_ref().ok().and_then(ChatTemplate::tags)?;
        let splitter = options.chat_prompt.as_deref().map(|prompt| Splitter::new(tags, prompt))?;
        Some(if options.constrained { splitter.strict() } else { splitter })
    }

    /// What a constrained generation has to know besides the grammar's tokens.
    fn constraint(
        &self,
        options: &GenerateOptions,
        tags: &[(u32, &'static str)],
        splitter: Option<&Splitter>,
    ) -> Option<Constraint> {
        let tokenizer = self.tokenizer.as_ref().ok().filter(|_| options.constrained)?;
        let open = splitter.map(|s| s.tags().open);
        let opening = tags.iter().find(|(_, tag)| Some(*tag) == open).map(|(id, _)| *id);
        let ends = tokenizer.end_of_generation().collect();
        Some(Constraint::new(ends, options.ignore_eos, opening, self.info.vocabulary_size))
    }

    /// Says which tokens of the answer may come next in a constrained generation: bit i of `words` is token i; those that end it are
    /// among them where it may end. It holds until the next call. What a model thinks before it answers is not held to it.
    ///
    /// # Errors
    /// `InvalidArgument` if no generation is running, or none that is constrained, and if nothing may come next.
    pub fn allow(&mut self, words: &[u32]) -> Result<()> {
        let mut g = self.running()?;
        let allowed = self.allow_in(&mut g, words);
        self.generation = Some(g);
        allowed
    }

    fn allow_in(&mut self, g: &mut Generation, words: &[u32]) -> Result<()> {
        let none = || {
            Error::new(
                ErrorKind::InvalidArgument,
                "the generation that is running was not started as a constrained one",
            )
        };
        g.constraint.as_mut().ok_or_else(none)?.allow(words)?;
        self.restrict(g)
    }

    /// Tells whoever chooses the next token what it may be.
    fn restrict(&mut self, g: &mut Generation) -> Result<()> {
        let Some(constraint) = &g.constraint else { return Ok(()) };
        let allowed = constraint.of(g.stage());
        if g.on_device {
            self.session.allow(allowed.words())?;
        }
        g.sampler.allow(Some(allowed));
        Ok(())
    }

    /// What tells calls from the answer, in a chat with tools.
    fn calls(&self, options: &GenerateOptions) -> Result<Option<Calls>> {
        let (Ok(template), Some(_), Some(tools)) = (&self.template, &options.chat_prompt, &options.tools) else {
            return Ok(None);
        };
        template.check_tools()?;
        Ok(Some(Calls::new(template.calls(), Offered::new(tools))))
    }

    /// The tokens that are a tag around reasoning or a mark of calls as a whole, and its text.
    fn tag_tokens(&self, has_reasoning: bool, has_calls: bool) -> Result<Vec<(u32, &'static str)>> {
        let (Ok(tokenizer), Ok(template)) = (&self.tokenizer, &self.template) else { return Ok(Vec::new()) };
        let reasoning = template.tags().filter(|_| has_reasoning).into_iter().flat_map(|tags| [tags.open, tags.close]);
        let marks = has_calls.then(|| template.calls().marks()).into_iter().flatten();
        let mut tokens = Vec::new();
        for tag in reasoning.chain(marks) {
            if let [id] = tokenizer.encode(tag, false, true)?[..] {
                tokens.push((id, tag));
            }
        }
        Ok(tokens)
    }

    /// The caller's stop texts, and in a chat in plain words the next turn's name.
    fn stop_texts(&self, options: &GenerateOptions) -> Vec<String> {
        let mut texts = options.stop.clone();
        let is_plain = self.template.as_ref().is_ok_and(ChatTemplate::is_plain);
        if options.chat_prompt.is_some() && is_plain && texts.len() < MAX_STOPS {
            texts.push(PLAIN_STOP.into());
        }
        texts
    }

    /// Ends the generation, if one is running, and gives what was held back.
    pub fn stop(&mut self) -> Pieces {
        self.generation.take().map(|mut g| g.rest()).unwrap_or_default()
    }

    async fn advance(&mut self, g: &mut Generation) -> Result<Event> {
        if g.max_tokens == g.generated && g.ended.is_none() {
            g.ended = Some(Reason::Length);
        }
        if let Some(reason) = g.ended {
            return Ok(Event::Finish { reason, rest: g.rest() });
        }
        if let Some(constraint) = &g.constraint {
            constraint.check()?;
        }
        if self.has_more(g).await? {
            let done = self.session.evaluated().min(g.prompt_tokens); // replayed tokens are none of the prompt
            return Ok(Event::Prefill { done, total: g.prompt_tokens });
        }
        let sampled = self.next_token(g).await?;
        if self.ends(g, sampled.id) {
            return Ok(Event::Finish { reason: Reason::Stop, rest: g.rest() });
        }
        g.pending.clear();
        g.sampler.accept(sampled.id)?;
        let stage = g.stage();
        let (Pieces { reasoning, text, calls }, is_constrained) = self.take(g, sampled.id)?;
        if g.stage() != stage {
            self.restrict(g)?;
        }
        let (logprob, top_logprobs) = (sampled.logprob, sampled.top_logprobs);
        Ok(Event::Token(TokenEvent { id: sampled.id, reasoning, text, calls, logprob, top_logprobs, is_constrained }))
    }

    /// Evaluates some of the prompt, or of what is replayed; whether there is more of it. The last block leaves what the next token
    /// is chosen from.
    async fn has_more(&mut self, g: &mut Generation) -> Result<bool> {
        if !self.session.is_unfinished() && g.pending.len() > 1 {
            self.session.reserve(g.pending.len()).await?;
            let rest = g.pending.split_off(self.session.next_block(g.pending.len()));
            let head = if rest.is_empty() { g.head() } else { Head::None };
            self.session.begin(&g.pending, head, g.sampler.unit(0) as f32).await?;
            g.pending = rest;
        }
        Ok(!self.session.go_on().await? || g.pending.len() > 1)
    }

    /// Takes a token that the sampler has accepted, which is to be evaluated next; gives what it lets be shown, and whether a grammar
    /// has to know of it.
    fn take(&self, g: &mut Generation, id: u32) -> Result<(Pieces, bool)> {
        g.generated += 1;
        g.pending.push(id);
        let is_constrained = g.is_of_grammar(id);
        if let Some(splitter) = g.splitter.as_mut().filter(|_| is_constrained) {
            splitter.answer();
        }
        let text = self.text_of(g, id)?;
        let (pieces, stopped) = g.release(&text);
        if stopped {
            g.ended = Some(Reason::Stop);
        }
        Ok((pieces, is_constrained))
    }

    /// Whether the model ends its turn with this token.
    fn ends(&self, g: &Generation, id: u32) -> bool {
        !g.ignore_eos && self.tokenizer.as_ref().is_ok_and(|t| t.is_end_of_generation(id))
    }

    async fn next_token(&mut self, g: &mut Generation) -> Result<Sampled> {
        // what may follow a token of a grammar is known once that token is
        let more = if g.constraint.is_some() { 0 } else { g.max_tokens.saturating_sub(g.generated + 1) };
        let found = |id| Sampled { id, logprob: None, top_logprobs: Vec::new() };
        if g.sampler.is_plain_greedy() {
            return self.session.greedy(&g.pending, more).await.map(found);
        }
        if g.on_device {
            let sampler = &g.sampler;
            let id = self.session.sample(&g.pending, more, &|ahead| sampler.unit(ahead) as f32).await?;
            g.sampler.skip();
            return Ok(found(id));
        }
        if !g.pending.is_empty() {
            self.session.advance(&g.pending, Head::Last).await?;
        }
        let mut logits = self.session.logits(1).await?;
        let sampled = g.sampler.sample(&mut logits);
        if sampled.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFinite) {
            self.session.forget(); // keys and values may be as bad as the logits
        }
        sampled
    }

    /// The text that a token completes.
    fn text_of(&self, g: &mut Generation, id: u32) -> Result<String> {
        let Ok(tokenizer) = &self.tokenizer else { return Ok(String::new()) }; // ids only; see `Info`
        // a model may have more embeddings than the tokenizer has tokens; those have no text
        if id as usize >= tokenizer.vocabulary_size() {
            return Ok(String::new());
        }
        let text = g.detokenizer.push(tokenizer, id)?;
        Ok(g.with_tag(id, text))
    }
}

impl Generation {
    /// What the next token is of.
    fn stage(&self) -> Stage {
        self.splitter.as_ref().map_or(Stage::Answer, Splitter::stage)
    }

    /// Whether a token in this place is one of a grammar's.
    fn is_of_grammar(&self, id: u32) -> bool {
        match (&self.constraint, self.stage()) {
            (None, _) | (_, Stage::Reasoning) => false,
            (Some(constraint), Stage::Undecided) => !constraint.opens(id),
            (Some(_), Stage::Answer) => true,
        }
    }

    /// What is wanted of the tokens that the next one follows.
    fn head(&self) -> Head {
        match self.on_device {
            _ if self.sampler.is_plain_greedy() => Head::Argmax,
            true => Head::Sample,
            false => Head::Last,
        }
    }

    /// The text of a token, and of a tag that is a special token, which has none of its own.
    fn with_tag(&mut self, id: u32, text: String) -> String {
        match self.tags.iter().find(|(token, tag)| *token == id && !text.ends_with(tag)) {
            Some((_, tag)) => text + &self.detokenizer.finish() + tag,
            None => text,
        }
    }

    /// What can be shown of what was held back and `text`, and whether a stop text was completed.
    fn release(&mut self, text: &str) -> (Pieces, bool) {
        let Pieces { reasoning, text, .. } = match &mut self.splitter {
            Some(splitter) => splitter.push(text),
            None => Pieces::new("", text),
        };
        let mut pieces = Pieces::new(reasoning, "");
        let stopped = self.release_answer(&text, &mut pieces);
        (pieces, stopped)
    }

    /// Adds what can be shown of the answer; whether a stop text was completed. Stop texts do not apply to calls.
    fn release_answer(&mut self, text: &str, pieces: &mut Pieces) -> bool {
        let (text, calls) = match &mut self.calls {
            Some(splitter) => splitter.push(text),
            None => (text.to_owned(), Vec::new()),
        };
        let (text, stopped) = self.stops.push(&text);
        pieces.text.push_str(&text);
        pieces.calls.extend(calls);
        stopped
    }

    /// What was held back: an unfinished character, the start of a tag or of a stop text.
    fn rest(&mut self) -> Pieces {
        let tail = self.detokenizer.finish();
        let (mut rest, _) = self.release(&tail);
        if let Some(last) = self.splitter.as_mut().map(Splitter::finish) {
            rest.reasoning.push_str(&last.reasoning);
            self.release_answer(&last.text, &mut rest);
        }
        if let Some((text, calls)) = self.calls.as_mut().map(Calls::finish) {
            rest.text.push_str(&self.stops.push(&text).0);
            rest.calls.extend(calls);
        }
        if !self.stops.is_stopped() {
            rest.text.push_str(&self.stops.finish());
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Tags;
    use crate::engine::{EngineLoader, LoadOptions};
    use crate::kernels::reference::Reference;
    use pollster::block_on;

    fn generation(stop: &str, prompt: &str) -> Generation {
        Generation {
            pending: Vec::new(),
            prompt_tokens: 0,
            generated: 0,
            max_tokens: 0,
            ignore_eos: false,
            sampler: Sampler::new(SamplingOptions::default(), 1).unwrap(),
            constraint: None,
            on_device: false,
            detokenizer: Detokenizer::new(false),
            splitter: Tags::named_in("<think>").map(|tags| Splitter::new(tags, prompt)),
            calls: None,
            tags: Vec::new(),
            stops: StopMatcher::new(&[stop]).unwrap(),
            ended: None,
        }
    }

    #[test]
    fn stop_texts_end_the_answer_and_not_the_reasoning() {
        let mut g = generation("END", "<think>");
        let texts = ["One END", "\n</thi", "nk>\n", "Two", " EN", "D three"];
        let shown: Vec<(Pieces, bool)> = texts.iter().map(|text| g.release(text)).collect();
        let reasoning: String = shown.iter().map(|(pieces, _)| pieces.reasoning.as_str()).collect();
        let text: String = shown.iter().map(|(pieces, _)| pieces.text.as_str()).collect();
        assert_eq!((reasoning.as_str(), text.as_str()), ("One END", "Two "));
        assert_eq!(
            shown.iter().map(|(_, stopped)| *stopped).collect::<Vec<_>>(),
            [false, false, false, false, false, true]
        );
        assert_eq!(g.rest(), Pieces::default());
    }

    fn tiny_engine() -> Engine<Reference> {
        let path = "tests/goldens/tiny/llama-bpe-q4_0-ropefreqs-tied/model.gguf";
        let bytes = std::fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut loader = EngineLoader::new(bytes.len() as u64, LoadOptions::default());
        assert!(loader.push(&bytes).unwrap());
        block_on(loader.prepare(Reference::new())).unwrap();
        block_on(loader.finish()).unwrap()
    }

    /// The tokens and the end, without what is said of the prompt.
    fn rest_of(engine: &mut Engine<Reference>) -> Vec<Event> {
        let mut events = Vec::new();
        while !matches!(events.last(), Some(Event::Finish { .. })) {
            events.push(block_on(engine.step()).unwrap());
        }
        events.retain(|event| !matches!(event, Event::Prefill { .. }));
        events
    }

    #[test]
    fn a_replayed_generation_goes_on_as_if_it_had_begun_here() {
        let (mut first, mut second) = (tiny_engine(), tiny_engine());
        let prompt: Vec<u32> = (40..110).collect(); // more than a block
        let greedy = SamplingOptions::default();
        let drawn = SamplingOptions { temperature: 1.5, seed: 5, top_k: 40, ..Default::default() };
        let penalised = SamplingOptions { frequency_penalty: 0.7, top_logprobs: Some(2), ..drawn.clone() };
        let one = SamplingOptions { top_k: 1, ..drawn.clone() };
        for sampling in [greedy, drawn, penalised, one] {
            let mut options =
                GenerateOptions { sampling, max_tokens: Some(12), ignore_eos: true, ..Default::default() };
            first.start(&prompt, options.clone()).unwrap();
            let texts: Vec<String> = tokens_of(&rest_of(&mut first)).map(|t| t.text.clone()).collect();
            let text = texts[3..].iter().find(|text| !text.is_empty()).unwrap();
            // one that ends it, and one whose beginning is held back
            for stop in [text.clone(), format!("{text}\u{1}")] {
                options.stop = vec![stop];
                first.start(&prompt, options.clone()).unwrap();
                let whole = rest_of(&mut first);
                let ids: Vec<u32> = tokens_of(&whole).map(|t| t.id).collect();
                assert!(ids.len() > 3, "{whole:?}");
                for known in 0..=ids.len() {
                    second.session.forget();
                    second.start(&prompt, options.clone()).unwrap();
                    second.replay(&ids[..known]).unwrap();
                    assert_eq!(rest_of(&mut second), whole[known..], "after {known} of {options:?}");
                }
            }
        }
    }

    fn tokens_of(events: &[Event]) -> impl Iterator<Item = &TokenEvent> {
        events.iter().filter_map(|event| if let Event::Token(token) = event { Some(token) } else { None })
    }

    #[test]
    fn what_cannot_be_replayed_is_refused() {
        let mut engine = tiny_engine();
        let kind = |result: Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(engine.replay(&[1])), ErrorKind::InvalidArgument);
        for (tokens, options) in [
            (&[1, 2][..], GenerateOptions { max_tokens: Some(1), ..Default::default() }),
            (&[u32::MAX], GenerateOptions::default()),
        ] {
            engine.start(&[40], options).unwrap();
            assert_eq!(kind(engine.replay(tokens)), ErrorKind::InvalidArgument);
        }
    }

    /// A generation that is told before each token what it may be.
    fn held_to(
        engine: &mut Engine<Reference>,
        prompt: &[u32],
        options: &GenerateOptions,
        masks: &[Vec<u32>],
    ) -> Vec<u32> {
        engine.start(prompt, GenerateOptions { constrained: true, ..options.clone() }).unwrap();
        let mut ids = Vec::new();
        for mask in masks {
            engine.allow(mask).unwrap();
            loop {
                match block_on(engine.step()).unwrap() {
                    Event::Prefill { .. } => {}
                    Event::Token(token) => {
                        assert!(token.is_constrained);
                        ids.push(token.id);
                        break;
                    }
                    Event::Finish { .. } => return ids,
                }
            }
        }
        engine.stop();
        ids
    }

    #[test]
    fn a_constrained_generation_says_what_is_allowed_and_likeliest_of_that() {
        let mut engine = tiny_engine();
        let vocabulary = engine.info().vocabulary_size;
        let prompt: Vec<u32> = (40..110).collect();
        let masks: Vec<Vec<u32>> = (0..6u32)
            .map(|i| {
                (0..vocabulary.div_ceil(32) as u32)
                    .map(|w| (w ^ i).wrapping_mul(0x9e37_79b9) & 0x1111_1111 << (i % 4))
                    .collect()
            })
            .collect();
        for sampling in [
            SamplingOptions::default(),
            SamplingOptions { temperature: 1.2, seed: 4, top_k: 7, ..Default::default() },
            SamplingOptions { temperature: 1.0, seed: 4, ..Default::default() },
        ] {
            let options = GenerateOptions { sampling: sampling.clone(), ignore_eos: true, ..Default::default() };
            let ids = held_to(&mut engine, &prompt, &options, &masks);
            assert_eq!(ids.len(), masks.len());
            // the same by hand: all logits, masked
            let mut sampler = Sampler::new(sampling, vocabulary).unwrap();
            let mut tokens = prompt.clone();
            for (mask, id) in masks.iter().zip(&ids) {
                let mut allowed = Allowed::new(mask, vocabulary);
                engine.tokenizer().unwrap().end_of_generation().for_each(|end| allowed.remove(end));
                assert!(allowed.contains(*id), "{id}");
                sampler.allow(Some(allowed));
                let mut logits = block_on(engine.logits(&tokens)).unwrap();
                assert_eq!(sampler.sample(&mut logits).unwrap().id, *id);
                tokens.push(*id);
            }
            let free = GenerateOptions { max_tokens: Some(masks.len()), ..options };
            engine.start(&prompt, free).unwrap();
            let free: Vec<u32> = tokens_of(&rest_of(&mut engine)).map(|t| t.id).collect();
            assert_ne!(free, ids, "the masks changed nothing");
        }
    }

    #[test]
    fn a_constrained_generation_ends_where_it_may_and_waits_to_be_told() {
        let mut engine = tiny_engine();
        let kind = |result: Result<()>| result.unwrap_err().kind();
        let end = engine.tokenizer().unwrap().end_of_generation().next().unwrap();
        let mut mask = vec![0; end as usize / 32 + 1];
        mask[end as usize / 32] = 1 << (end % 32);
        assert_eq!(kind(engine.allow(&mask)), ErrorKind::InvalidArgument);
        let options = GenerateOptions { constrained: true, ..Default::default() };
        engine.start(&[40], GenerateOptions::default()).unwrap();
        assert_eq!(kind(engine.allow(&mask)), ErrorKind::InvalidArgument);
        engine.start(&[40], options.clone()).unwrap();
        assert_eq!(block_on(engine.step()).unwrap_err().kind(), ErrorKind::InvalidArgument);
        engine.start(&[40], options.clone()).unwrap();
        engine.allow(&mask).unwrap();
        assert!(matches!(rest_of(&mut engine)[..], [Event::Finish { reason: Reason::Stop, .. }]));
        // ends that do not count leave nothing
        engine.start(&[40], GenerateOptions { ignore_eos: true, ..options }).unwrap();
        assert_eq!(kind(engine.allow(&mask)), ErrorKind::InvalidArgument);
    }

    /// Only the answer is held to the grammar: reasoning may be anything but an end, and a token that opens it may come in front.
    #[test]
    fn reasoning_is_free_and_the_answer_is_not() {
        let stage_of = |g: &Generation| g.stage();
        let mut constraint = Constraint::new(vec![2], false, Some(7), 10);
        constraint.allow(&[0b1000]).unwrap();
        let set = |allowed: Allowed| (0..10).filter(|&id| allowed.contains(id)).collect::<Vec<u32>>();
        assert_eq!(set(constraint.of(Stage::Undecided)), [3, 7]);
        assert_eq!(set(constraint.of(Stage::Answer)), [3]);
        assert_eq!(set(constraint.of(Stage::Reasoning)), [0, 1, 3, 4, 5, 6, 7, 8, 9]);

        let mut g = generation("END", "");
        g.splitter = g.splitter.map(Splitter::strict);
        g.constraint = Some(constraint);
        assert_eq!((stage_of(&g), g.is_of_grammar(7), g.is_of_grammar(3)), (Stage::Undecided, false, true));
        g.release("<think>");
        assert_eq!((stage_of(&g), g.is_of_grammar(3)), (Stage::Reasoning, false));
        g.release("why</think>");
        assert_eq!((stage_of(&g), g.is_of_grammar(7)), (Stage::Answer, true));
        assert_eq!(g.release("\n4").0, Pieces::new("", "\n4"));
    }

    #[test]
    fn tags_may_be_special_tokens_or_text() {
        let mut g = generation("END", "");
        g.tags = vec![(7, "<think>"), (8, "</think>")];
        for (id, text, expected) in
            [(7, "", "<think>"), (7, "<think>", "<think>"), (8, "é", "é</think>"), (9, "a", "a")]
        {
            assert_eq!(g.with_tag(id, text.to_owned()), expected);
        }
    }

    #[test]
    fn what_is_held_comes_in_the_end() {
        let mut g = generation("END", "");
        assert_eq!(g.release("<think>a </th").0.reasoning, "a");
        assert_eq!(g.rest(), Pieces::new(" </th", ""));
        let mut g = generation("END", "");
        assert_eq!(g.release("<think>a</think>b EN").0, Pieces::new("a", "b "));
        assert_eq!(g.rest().text, "EN");
        let mut g = generation("END", "");
        assert_eq!((g.release(" <thi").0, g.rest().text.as_str()), (Pieces::default(), " <thi"));
    }
}
