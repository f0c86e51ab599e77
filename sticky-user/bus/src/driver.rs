//! The bus as the driver of socketioxide's adapter.

use socketioxide_redis::drivers::{ChanItem, Driver, MessageStream};

use super::{Bus, Error};

impl Driver for Bus {
    type Error = Error;

    async fn publish(&self, channel: String, message: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Alone => Ok(()),
            Self::Mesh(mesh) => mesh.publish(&channel, &message).await,
            Self::Redis(redis) => {
                redis.publish(&channel, &message).await;
                Ok(())
            }
        }
    }

    async fn subscribe(
        &self,
        channel: String,
        size: usize,
    ) -> Result<MessageStream<ChanItem>, Error> {
        match self {
            Self::Alone => Ok(MessageStream::new_empty()),
            Self::Mesh(mesh) => Ok(mesh.subscribe(channel, size).await),
            Self::Redis(redis) => Ok(redis.subscribe(&channel).await),
        }
    }

    async fn unsubscribe(&self, channel: String) -> Result<(), Error> {
        match self {
            Self::Alone => Ok(()),
            Self::Mesh(mesh) => {
                mesh.unsubscribe(&channel);
                Ok(())
            }
            Self::Redis(redis) => {
                redis.unsubscribe(&channel);
                Ok(())
            }
        }
    }

    /// How many workers there are, this one included.
    async fn num_serv(&self, channel: &str) -> Result<u16, Error> {
        match self {
            Self::Alone => Ok(1),
            Self::Mesh(mesh) => Ok(mesh.workers(channel)),
            Self::Redis(redis) => Ok(redis.workers(channel).await),
        }
    }
}
