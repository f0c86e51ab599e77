//! The Socket.IO adapter: socketioxide-redis's, over whatever bus there is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::{FusedStream, Stream};
use socketioxide_core::adapter::errors::{AdapterError, BroadcastError, SocketError};
use socketioxide_core::adapter::remote_packet::{
    RequestIn, RequestOut, RequestTypeIn, RequestTypeOut,
};
use socketioxide_core::adapter::request::RemoteRequestHandler;
use socketioxide_core::adapter::{
    BroadcastFlags, BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter,
    RemoteSocketData, Room, RoomParam, SocketEmitter,
};
use socketioxide_core::packet::Packet;
use socketioxide_core::parser::Parse;
use socketioxide_core::{Sid, Uid};
use socketioxide_redis::{CustomRedisAdapter, RedisAdapterConfig, RedisAdapterCtr};

use crate::backlog::Backlogs;
use crate::bus::Bus;
use crate::namespaces::Namespace;
use crate::weight;

/// How long a request to all workers waits for workers that are counted and do not answer: with Redis,
/// the workers of a host that went without a word.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// As many answers of other workers lie between the bus and the adapter.
const AT_HAND: usize = 16;

type Inner<E> = CustomRedisAdapter<E, Bus>;
type InnerError<E> = <Inner<E> as CoreAdapter<E>>::Error;

/// What [`socketioxide::SocketIoBuilder::with_adapter`] asks for: see [`Bus::adapter`].
#[derive(Clone, Debug)]
pub struct AdapterState {
    bus: Bus,
    config: RedisAdapterConfig,
}

impl Bus {
    /// What [`socketioxide::SocketIoBuilder::with_adapter`] asks for.
    pub fn adapter(&self) -> AdapterState {
        AdapterState::of(self)
    }
}

impl AdapterState {
    fn of(bus: &Bus) -> Self {
        let config = RedisAdapterConfig::new()
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_stream_buffer(AT_HAND);
        let config = match bus.prefix() {
            Some(prefix) => config.with_prefix(prefix),
            None => config,
        };
        Self { bus: bus.clone(), config }
    }

    /// How long a request to all workers waits for their answers; by default [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.config = self.config.with_request_timeout(timeout);
        self
    }
}

/// The Socket.IO adapter, whatever the bus: `with_adapter::<Adapter<_>>(bus.adapter())`.
///
/// It is the adapter of socketioxide-redis, but for two things. A broadcast to a client that has not
/// read what was sent to it waits until it has (or is disconnected), where that one drops what does not
/// fit into the engine's buffer. And its stream of acks ends with the last ack, where that one's waits
/// for its time-out when the last worker to answer has no client to ask (socketioxide-core 0.20).
pub struct Adapter<E> {
    inner: Arc<Inner<E>>,
    bus: Bus,
    /// The channel of requests to all workers.
    requests: String,
    backlogs: Backlogs,
}

impl<E> DefinedAdapter for Adapter<E> {}

impl<E: SocketEmitter> Adapter<E> {
    /// Waits until the clients of this worker that a packet is for have capacity, and counts it.
    async fn wait_for_capacity(&self, packet: &Packet, opts: &BroadcastOptions) {
        let bytes = weight::bytes_in(packet);
        for backlog in self.backlogs.capacity(|| self.members(opts)).await {
            backlog.put(bytes);
        }
    }

    /// Sends a packet to the clients of this worker. A client that misses it is disconnected.
    fn send(&self, packet: Packet, opts: &BroadcastOptions) -> Result<(), Vec<SocketError>> {
        let sent = self.get_local().broadcast(packet, opts.clone());
        if let Err(errors) = &sent
            && errors.iter().any(is_full)
        {
            self.end_full(opts);
        }
        sent
    }

    /// Ends the sessions that missed a packet, since the engine's queue of each is full: of direct packets,
    /// which are not on the account. An ack that no client waits for, and all ignore, tells which these are.
    fn end_full(&self, opts: &BroadcastOptions) {
        let local = self.get_local();
        let Ok(nothing) = local.parser().encode_value::<[(); 0]>(&[], None) else { return };
        let mut full = self.members(opts);
        full.retain(|&id| {
            let probe = Packet::ack(local.path().clone(), nothing.clone(), i64::MAX);
            let told = local.broadcast(probe, BroadcastOptions::new(id));
            told.is_err_and(|errors| errors.iter().any(is_full))
        });
        self.backlogs.end(&full);
    }

    /// Tells the other workers.
    async fn publish(&self, packet: &Packet, opts: &BroadcastOptions) -> Result<(), AdapterError> {
        let own = self.get_local().server_id();
        let request = RequestOut::new(own, RequestTypeOut::Broadcast(packet), opts);
        let published = match opts.server_id {
            Some(to) => self.bus.broadcast(&format!("{}{to}#", self.requests), &request).await,
            None => self.bus.broadcast(&self.requests, &request).await,
        };
        published.map_err(|error| AdapterError(Box::new(error)))
    }
}

impl<E: SocketEmitter> Namespace for Adapter<E> {
    fn node(&self) -> Uid {
        self.get_local().server_id()
    }

    fn members(&self, options: &BroadcastOptions) -> Vec<Sid> {
        self.get_local().sockets(options.clone())
    }

    fn handle(&self, request: RequestIn) {
        match request {
            RequestIn { r#type: RequestTypeIn::Broadcast(packet), opts: Some(opts), .. } => {
                // A client that missed it is disconnected by `send`, which is all that there is to do.
                let _ = self.send(packet, &opts);
            }
            request => self.inner.recv_req(request),
        }
    }
}

impl<E: SocketEmitter> CoreAdapter<E> for Adapter<E> {
    type Error = InnerError<E>;
    type State = AdapterState;
    type AckStream = Acks<<Inner<E> as CoreAdapter<E>>::AckStream>;
    type InitRes = <Inner<E> as CoreAdapter<E>>::InitRes;

    fn new(state: &Self::State, local: CoreLocalAdapter<E>) -> Self {
        let AdapterState { bus, config } = state.clone();
        let requests = format!("{}-request#{}#", config.prefix, local.path());
        let constructor = RedisAdapterCtr::new_with_driver(bus.clone(), config);
        let inner = Arc::new(Inner::new(&constructor, local));
        let backlogs = bus.backlogs().clone();
        Self { inner, bus, requests, backlogs }
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) -> Self::InitRes {
        if let Some(namespaces) = self.bus.namespaces() {
            let namespace: Arc<dyn Namespace> = Arc::clone(&self) as _;
            namespaces.enter(self.get_local().path(), Arc::downgrade(&namespace));
        }
        Arc::clone(&self.inner).init(on_success)
    }

    async fn close(&self) -> Result<(), Self::Error> {
        if let Some(namespaces) = self.bus.namespaces() {
            namespaces.leave(self.get_local().path());
        }
        self.inner.close().await
    }

    async fn server_count(&self) -> Result<u16, Self::Error> {
        self.inner.server_count().await
    }

    async fn broadcast(
        &self,
        packet: Packet,
        opts: BroadcastOptions,
    ) -> Result<(), BroadcastError> {
        let is_volatile = opts.has_flag(BroadcastFlags::Volatile);
        let _permit = if is_volatile {
            None
        } else {
            Some(self.backlogs.send_permit(opts.sid, &opts.rooms).await)
        };
        if !opts.is_local(self.node()) {
            self.publish(&packet, &opts).await?;
        }
        if is_volatile {
            return Ok(self.get_local().broadcast(packet, opts)?);
        }
        self.wait_for_capacity(&packet, &opts).await;
        Ok(self.send(packet, &opts)?)
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        opts: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Self::Error> {
        let _permit = self.backlogs.send_permit(opts.sid, &opts.rooms).await;
        self.wait_for_capacity(&packet, &opts).await;
        let acks = self.inner.broadcast_with_ack(packet, opts, timeout).await?;
        Ok(Acks(Box::pin(acks)))
    }

    async fn add_sockets(
        &self,
        opts: BroadcastOptions,
        rooms: impl RoomParam,
    ) -> Result<(), Self::Error> {
        self.inner.add_sockets(opts, rooms).await
    }

    async fn del_sockets(
        &self,
        opts: BroadcastOptions,
        rooms: impl RoomParam,
    ) -> Result<(), Self::Error> {
        self.inner.del_sockets(opts, rooms).await
    }

    async fn disconnect_socket(&self, opts: BroadcastOptions) -> Result<(), BroadcastError> {
        self.inner.disconnect_socket(opts).await
    }

    async fn rooms(&self, opts: BroadcastOptions) -> Result<Vec<Room>, Self::Error> {
        self.inner.rooms(opts).await
    }

    async fn fetch_sockets(
        &self,
        opts: BroadcastOptions,
    ) -> Result<Vec<RemoteSocketData>, Self::Error> {
        self.inner.fetch_sockets(opts).await
    }

    fn get_local(&self) -> &CoreLocalAdapter<E> {
        self.inner.get_local()
    }
}

fn is_full(error: &SocketError) -> bool {
    matches!(error, SocketError::InternalChannelFull)
}

/// Acks from this worker's clients and all others'.
#[derive(Debug)]
pub struct Acks<S>(Pin<Box<S>>);

impl<S: FusedStream> Stream for Acks<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        match self.0.as_mut().poll_next(cx) {
            // Nothing more can come, and nobody would wake us to find that out.
            Poll::Pending if self.0.is_terminated() => Poll::Ready(None),
            polled => polled,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<S: FusedStream> FusedStream for Acks<S> {
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}
