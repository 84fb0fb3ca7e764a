//! Panics of plugins and of the worker's own parts as errors that tell what panicked, with which text, and where.

use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

use crate::error::ConnectError;

thread_local! {
    /// File and line of the thread's last panic. A panic is caught on the thread on which it began.
    static LAST_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has every panic leave its place, beside what the hook does that was there before.
fn remember_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string);
            LAST_PLACE.with_borrow_mut(|last| *last = place);
            before(panic);
        }));
    });
}

/// Runs `future`; its panic becomes a fatal error: `<what> panicked at <file>:<line>:<column>: <text>`.
///
/// What the future has borrowed may be half changed after a panic: the caller lets go of it.
///
/// # Errors
/// If the future panics.
pub async fn catch_panic<F: Future>(what: &str, future: F) -> Result<F::Output, ConnectError> {
    remember_places();
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic_error(what, &*panic))),
        },
    )
    .await
}

/// As [`catch_panic`], for work that does not wait.
///
/// # Errors
/// If the work panics.
pub fn catch_panic_of<T>(
    what: impl FnOnce() -> String,
    work: impl FnOnce() -> T,
) -> Result<T, ConnectError> {
    remember_places();
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_error(&what(), &*panic))
}

fn panic_error(what: &str, panic: &(dyn Any + Send)) -> ConnectError {
    let place = LAST_PLACE.with_borrow_mut(Option::take);
    let place = place.map_or_else(String::new, |place| format!(" at {place}"));
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    ConnectError::fatal(format!("{what} panicked{place}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn divide(by: u32) -> u32 {
        tokio::task::yield_now().await;
        10_u32.checked_div(by).expect("a divisor")
    }

    #[tokio::test]
    async fn a_panic_tells_its_text_and_its_place() {
        assert_eq!(catch_panic("the division", divide(2)).await.unwrap(), 5);
        let error = catch_panic("the division", divide(0)).await.unwrap_err();
        let text = error.text();
        let file = file!();
        assert!(
            text.starts_with(&format!("the division panicked at {file}:")),
            "{text}"
        );
        assert!(text.ends_with(": a divisor"), "{text}");
        let error =
            catch_panic_of(|| "the sum".to_owned(), || panic!("{} is too much", 7)).map(|()| 0);
        assert!(error.unwrap_err().text().ends_with(": 7 is too much"));
    }
}
