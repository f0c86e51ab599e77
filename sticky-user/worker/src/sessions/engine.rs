//! The engine, as the session layer needs it: whatever adapter it has.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{self, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use socketioxide::adapter::Adapter;
use socketioxide::service::SocketIoService;
use tower_service::Service;

use crate::websocket::WebsocketStream;

/// Engine.IO's packet "close": the client gives up the session and connects anew.
pub(super) const CLOSE: &str = "1";

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Socket.IO's engine.
pub(super) trait Engine: Send + Sync {
    /// The answer to a request over HTTP.
    fn answer(&self, request: Request) -> Answer;

    /// Takes a WebSocket, which may not be there yet. `false` if the request is not one that it takes.
    fn take(&self, stream: Box<WebsocketStream>, request: http::Request<()>) -> bool;
}

impl<A: Adapter> Engine for SocketIoService<Nothing, A> {
    fn answer(&self, request: Request) -> Answer {
        let answer = self.clone().call(request);
        Box::pin(async move {
            let Ok(answer) = answer.await;
            answer.map(Body::new)
        })
    }

    fn take(&self, stream: Box<WebsocketStream>, request: http::Request<()>) -> bool {
        // Ready at once.
        let mut taken = Service::<(Box<WebsocketStream>, http::Request<()>)>::call(
            &mut self.clone(),
            (stream, request),
        );
        let mut cx = Context::from_waker(std::task::Waker::noop());
        matches!(Pin::new(&mut taken).poll(&mut cx), Poll::Ready(Ok(())))
    }
}

/// Lets the engine end the session as if the client had asked for it, which runs the application's
/// disconnect handlers.
pub(super) async fn forget(uri: Uri, engine: &dyn Engine) {
    let mut request = Request::new(Body::from(CLOSE));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    // It may have done so already.
    let _ = engine.answer(request).await;
}

/// What is behind the engine: it has paths of its own, so that nothing else comes here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing;

impl Service<Request> for Nothing {
    type Response = Response;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Ok(StatusCode::NOT_FOUND.into_response()))
    }
}
