//! The decisions of the kernel program, one log line each.

use std::os::fd::AsFd;

use aya::Ebpf;
use aya_log::EbpfLogger;
use tokio::io::Interest;
use tokio::task::JoinHandle;
use tracing::error;

use crate::steering::Error;
use crate::step::Step as _;
use sticky_sys::readiness;

/// Passes the program's log on to this process's log until it is dropped.
#[derive(Debug)]
pub(super) struct Log(JoinHandle<()>);

impl Log {
    pub(super) fn open(object: &mut Ebpf) -> Result<Self, Error> {
        let mut logger = EbpfLogger::init(object).map_err(Error::Log)?;
        let step = "watch the log of the kernel program";
        let buffer = logger.as_fd().try_clone_to_owned();
        let buffer = buffer.and_then(|buffer| readiness::watch(buffer, Interest::READABLE));
        let buffer = buffer.step(step)?;
        Ok(Self(tokio::spawn(async move {
            loop {
                match buffer.readable().await {
                    Ok(mut ready) => {
                        // Before reading: what comes while we read makes it ready again.
                        ready.clear_ready();
                        logger.flush();
                    }
                    Err(error) => {
                        error!("cannot {step}: {error}; --log-steering is over");
                        return;
                    }
                }
            }
        })))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.abort();
    }
}
