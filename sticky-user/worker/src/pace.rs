//! How slow a client may be.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// As many bytes are to move, at least, while the client is waited for as long as the window lasts. With the
/// usual windows that is some 50 bytes a second: a modem of 1990 is faster.
const LEAST: usize = 1024;

/// Counts what a client sends or takes, and the time in which it is waited for. Other time does not
/// count: a handler may take as long as it wants.
#[derive(Debug)]
pub(crate) struct Pace {
    window: Duration,
    moved: usize,
    waited: Duration,
    since: Option<Instant>,
    /// Made when the client is waited for the first time.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, moved: 0, waited: Duration::ZERO, since: None, timer: None }
    }

    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
    }

    /// The client is waited for. The task is woken when it has become too slow, and `check` then fails.
    pub(crate) fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        if self.waited + (now - since) >= self.window {
            if self.moved < LEAST {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client is too slow"));
            }
            (self.moved, self.waited, self.since) = (0, Duration::ZERO, Some(now));
        }
        let end = self.since.unwrap_or(now) + self.window.saturating_sub(self.waited);
        #[expect(clippy::disallowed_methods, reason = "what the client may take")]
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.window)));
        if timer.deadline() != end {
            timer.as_mut().reset(end);
        }
        if timer.as_mut().poll(cx).is_ready() {
            // Over in this moment: looked at again at once.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    /// Waits for a client that moves `bytes` every second, `seconds` times.
    async fn waited(bytes: usize, seconds: u32) -> io::Result<()> {
        let mut pace = Pace::new(WINDOW);
        for _ in 0..seconds {
            #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
            let mut second = Box::pin(sleep(Duration::from_secs(1)));
            poll_fn(|cx| {
                if second.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                pace.check(cx).map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending)
            })
            .await?;
            pace.moved(bytes);
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_one_that_moves_too_little_in_a_window() {
        assert!(waited(1, 9).await.is_ok(), "the window is not over");
        assert_eq!(waited(1, 100).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(waited(LEAST / 8, 100).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_nobody_waits_for_the_client_does_not_count() {
        let mut pace = Pace::new(WINDOW);
        for _ in 0..10 {
            poll_fn(|cx| Poll::Ready(pace.check(cx))).await.unwrap();
            pace.moved(1);
            #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
            sleep(Duration::from_secs(30)).await;
        }
    }
}
