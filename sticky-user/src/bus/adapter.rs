//! The Socket.IO adapter: socketioxide-redis's, over whatever bus there is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::{FusedStream, Stream};
use socketioxide_core::adapter::errors::BroadcastError;
use socketioxide_core::adapter::{
    BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, RemoteSocketData, Room,
    RoomParam, SocketEmitter,
};
use socketioxide_core::packet::Packet;
use socketioxide_redis::{CustomRedisAdapter, RedisAdapterCtr};

use super::Bus;

type Inner<E> = CustomRedisAdapter<E, Bus>;
type InnerError<E> = <Inner<E> as CoreAdapter<E>>::Error;

/// The Socket.IO adapter, whatever the bus: `with_adapter::<Adapter<_>>(bus.adapter())`.
///
/// It is the adapter of socketioxide-redis, but for one thing: its stream of acks ends with the
/// last ack, where that one's waits for its time-out when the last worker to answer has no
/// client to ask (socketioxide-core 0.20).
pub struct Adapter<E>(Arc<Inner<E>>);

impl<E> DefinedAdapter for Adapter<E> {}

impl<E: SocketEmitter> CoreAdapter<E> for Adapter<E> {
    type Error = InnerError<E>;
    type State = RedisAdapterCtr<Bus>;
    type AckStream = Acks<<Inner<E> as CoreAdapter<E>>::AckStream>;
    type InitRes = <Inner<E> as CoreAdapter<E>>::InitRes;

    fn new(state: &Self::State, local: CoreLocalAdapter<E>) -> Self {
        Self(Arc::new(Inner::new(state, local)))
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) -> Self::InitRes {
        Arc::clone(&self.0).init(on_success)
    }

    async fn close(&self) -> Result<(), Self::Error> {
        self.0.close().await
    }

    async fn server_count(&self) -> Result<u16, Self::Error> {
        self.0.server_count().await
    }

    async fn broadcast(
        &self,
        packet: Packet,
        opts: BroadcastOptions,
    ) -> Result<(), BroadcastError> {
        self.0.broadcast(packet, opts).await
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        opts: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Self::Error> {
        let acks = self.0.broadcast_with_ack(packet, opts, timeout).await?;
        Ok(Acks(Box::pin(acks)))
    }

    async fn add_sockets(
        &self,
        opts: BroadcastOptions,
        rooms: impl RoomParam,
    ) -> Result<(), Self::Error> {
        self.0.add_sockets(opts, rooms).await
    }

    async fn del_sockets(
        &self,
        opts: BroadcastOptions,
        rooms: impl RoomParam,
    ) -> Result<(), Self::Error> {
        self.0.del_sockets(opts, rooms).await
    }

    async fn disconnect_socket(&self, opts: BroadcastOptions) -> Result<(), BroadcastError> {
        self.0.disconnect_socket(opts).await
    }

    async fn rooms(&self, opts: BroadcastOptions) -> Result<Vec<Room>, Self::Error> {
        self.0.rooms(opts).await
    }

    async fn fetch_sockets(
        &self,
        opts: BroadcastOptions,
    ) -> Result<Vec<RemoteSocketData>, Self::Error> {
        self.0.fetch_sockets(opts).await
    }

    fn get_local(&self) -> &CoreLocalAdapter<E> {
        self.0.get_local()
    }
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
