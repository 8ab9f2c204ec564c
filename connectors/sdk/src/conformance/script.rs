//! A scripted network: answers given in advance, requests kept for a look.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::http::{Exchange, ExchangeError, HttpRequest, HttpResponse};

/// An [`Exchange`] that answers from a script. Once that is used up it answers with the standing
/// answer, and without one loses the request.
#[derive(Debug, Default)]
pub struct Script {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<Result<HttpResponse, ExchangeError>>,
    standing: Option<Result<HttpResponse, ExchangeError>>,
    requests: Vec<HttpRequest>,
}

/// An answer with a body and no headers.
pub fn answer(status: u16, body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

/// A request whose answer never came.
pub fn lost() -> ExchangeError {
    ExchangeError::Lost {
        host: "script".into(),
        reason: "timed out".into(),
    }
}

impl Script {
    /// An empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers the next request nobody has answered yet.
    pub fn then(&self, answer: HttpResponse) -> &Self {
        self.lock().answers.push_back(Ok(answer));
        self
    }

    /// Fails the next request nobody has answered yet.
    pub fn then_fail(&self, error: ExchangeError) -> &Self {
        self.lock().answers.push_back(Err(error));
        self
    }

    /// Answers every request that has no answer of its own.
    pub fn always(&self, answer: Result<HttpResponse, ExchangeError>) {
        self.lock().standing = Some(answer);
    }

    /// The requests so far, oldest first, and forgets them.
    pub fn take_requests(&self) -> Vec<HttpRequest> {
        std::mem::take(&mut self.lock().requests)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Exchange for Script {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
        let mut state = self.lock();
        state.requests.push(request);
        let standing = state.standing.clone();
        state
            .answers
            .pop_front()
            .or(standing)
            .unwrap_or_else(|| Err(lost()))
    }
}
