//! Workers on one bus: threads with a runtime each.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use futures_core::Stream;
use socketioxide_redis::drivers::Driver;
use sticky_bus::Bus;
use sticky_contract::{SlotCount, SlotId};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::servers::Place;

const CHANNEL: &str = "bench";
/// Messages that may wait for a worker, as in the adapter.
const BUFFER: usize = 1024;

type Failure = Box<dyn Error + Send + Sync>;

/// One publisher, and others who tell when they have received a message.
pub(crate) struct Workers {
    pub(crate) receivers: u32,
    publish: UnboundedSender<Vec<u8>>,
    received: Receiver<Instant>,
}

impl Workers {
    /// Starts one for each slot; returns when all have joined. That of the first publishes.
    pub(crate) fn start(
        workers: SlotCount,
        place: impl Fn(SlotId) -> io::Result<Place>,
    ) -> Result<Self, Failure> {
        let (received_sender, received) = channel();
        let (publish, requests) = unbounded_channel();
        let (ready_sender, ready) = channel();
        for slot in workers.iter().skip(1) {
            let (place, received, ready) =
                (place(slot)?, received_sender.clone(), ready_sender.clone());
            spawn(ready, move |ready| receive(place, ready, received));
        }
        for _ in workers.iter().skip(1) {
            ready.recv()??;
        }
        let place = place(SlotId::FIRST)?;
        spawn(ready_sender, move |ready| send(place, ready, requests));
        ready.recv()??;
        Ok(Self { receivers: workers.get() - 1, publish, received })
    }

    pub(crate) fn publish(&self, message: Vec<u8>) -> Result<(), Failure> {
        Ok(self.publish.send(message)?)
    }

    /// When the next message was received by the next worker.
    pub(crate) fn received(&self) -> Result<Instant, Failure> {
        Ok(self.received.recv()?)
    }
}

type Ready = Sender<Result<(), Failure>>;

fn spawn<F: Future<Output = Result<(), Failure>>>(
    ready: Ready,
    work: impl FnOnce(Ready) -> F + Send + 'static,
) {
    thread::spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error.into()))),
        };
        if let Err(error) = runtime.block_on(work(ready.clone())) {
            // Nobody listens when the run is over.
            let _ = ready.send(Err(error));
        }
    });
}

async fn receive(place: Place, ready: Ready, received: Sender<Instant>) -> Result<(), Failure> {
    let bus: Bus = place.join().await?;
    let mut messages = bus.subscribe(CHANNEL.into(), BUFFER).await?;
    ready.send(Ok(()))?;
    while poll_fn(|cx| Pin::new(&mut messages).poll_next(cx)).await.is_some() {
        received.send(Instant::now())?;
    }
    Ok(())
}

async fn send(
    place: Place,
    ready: Ready,
    mut requests: UnboundedReceiver<Vec<u8>>,
) -> Result<(), Failure> {
    let bus = place.join().await?;
    ready.send(Ok(()))?;
    while let Some(message) = requests.recv().await {
        bus.publish(CHANNEL.into(), message).await?;
    }
    Ok(())
}
