//! Sessions on the server, and their end.
//!
//! The client library means well with a connection that is dropped in the middle of a result: it spawns a task that reads
//! the rest, then rolls back. A stopped snapshot of a large table would so go on for hours, with its locks. A [`Session`]
//! that is dropped closes its socket instead. The server notices that when it writes next; a session that waits for a lock
//! or for new events of the log writes nothing, so that [`CutOff::end`] also kills what is still there.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use mysql_async::binlog::events::Event;
use mysql_async::prelude::Queryable as _;
use mysql_async::{
    BinlogStream, BinlogStreamRequest, Conn, DriverError, Error, IoError, Params, ResultSetStream,
    Row, TextProtocol,
};
use tidegate_api::catch_panic;
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::MySqlError;
use crate::queries;

/// A goodbye that takes longer is given up.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// A session as the server lists it. Its number alone may be somebody else's after a restart of the server; the address
/// from which it came, with the port, tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId {
    pub number: u32,
    pub host: String,
}

/// Sessions of a task that ended without a goodbye: the server may still work for them.
#[derive(Debug, Clone, Default)]
pub struct CutOff(Arc<Mutex<Vec<SessionId>>>);

impl CutOff {
    fn ids(&self) -> MutexGuard<'_, Vec<SessionId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> Option<SessionId> {
        self.ids().last().cloned()
    }

    pub fn is_empty(&self) -> bool {
        self.ids().is_empty()
    }

    /// Kills those that the server still has, through another session of the same user: nobody needs a privilege for that.
    /// Cancel-safe: a session stays on the list until the server has answered.
    ///
    /// # Errors
    /// If the other session does not get through.
    pub async fn end(&self, conn: &mut Session) -> Result<(), MySqlError> {
        while let Some(id) = self.last() {
            match queries::kill(conn, &id).await {
                Ok(true) => debug!("Ended session {} on the server", id.number),
                Ok(false) => {}
                Err(MySqlError::Refused(error)) => warn!(
                    "Session {} may still be at work on the server: {error} End it with KILL {}",
                    id.number, id.number
                ),
                Err(error) => return Err(error),
            }
            self.ids().retain(|other| *other != id);
        }
        Ok(())
    }
}

/// The sessions' numbers.
impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.ids().iter().map(|id| id.number.to_string()).collect();
        f.write_str(&numbers.join(", "))
    }
}

/// Reports its session as cut off, unless it has said goodbye.
#[derive(Debug)]
struct Registered {
    id: Option<SessionId>,
    cut_off: CutOff,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.cut_off.ids().push(id);
        }
    }
}

/// A connection whose drop closes the socket at once.
pub struct Session {
    conn: Option<Conn>,
    registered: Registered,
    /// How long the server may leave a query without an answer.
    limit: Option<Duration>,
}

/// The rows of one query.
pub type Rows<'a> = ResultSetStream<'a, 'a, 'static, Row, TextProtocol>;

/// Queries, which fail if the server does not begin to answer within `database.query.timeout.ms`. They give rows as they are:
/// the client library's conversions panic on values that do not fit.
impl Session {
    pub async fn query_drop(&mut self, sql: impl AsRef<str>) -> Result<(), Error> {
        self.query_drop_within(sql.as_ref(), Duration::ZERO).await
    }

    /// For a statement that may wait for something, such as a lock.
    pub async fn query_drop_within(&mut self, sql: &str, wait: Duration) -> Result<(), Error> {
        let limit = self.limit.map(|limit| limit.saturating_add(wait));
        answered(limit, self.conn().query_drop(sql)).await
    }

    pub async fn query(&mut self, sql: impl AsRef<str>) -> Result<Vec<Row>, Error> {
        answered(self.limit, self.conn().query(sql.as_ref())).await
    }

    pub async fn query_first(&mut self, sql: impl AsRef<str>) -> Result<Option<Row>, Error> {
        answered(self.limit, self.conn().query_first(sql.as_ref())).await
    }

    pub async fn exec_first(
        &mut self,
        sql: &str,
        params: impl Into<Params> + Send,
    ) -> Result<Option<Row>, Error> {
        answered(self.limit, self.conn().exec_first(sql, params)).await
    }

    /// The rows have no limit here: whoever reads them knows when it waits for the server.
    pub async fn query_stream<'a>(&'a mut self, sql: &'a str) -> Result<Rows<'a>, Error> {
        answered(self.limit, self.conn().query_stream(sql)).await
    }

    /// How long the server may leave a query without an answer.
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }

    fn conn(&mut self) -> &mut Conn {
        self.conn
            .as_mut()
            .expect("a session has its connection until it is given up")
    }
}

/// The next row, unless the server is silent for too long (`database.query.timeout.ms`).
pub async fn next_row(
    rows: &mut Rows<'_>,
    limit: Option<Duration>,
) -> Result<Option<Row>, MySqlError> {
    if let Some(row) = rows.next().now_or_never() {
        return Ok(row.transpose()?);
    }
    let Some(limit) = limit else {
        return Ok(rows.next().await.transpose()?);
    };
    match timeout(limit, rows.next()).await {
        Ok(row) => Ok(row.transpose()?),
        Err(_) => Err(MySqlError::Connection(format!(
            "The server has sent no row for {limit:?} (database.query.timeout.ms)"
        ))),
    }
}

async fn answered<T>(
    limit: Option<Duration>,
    query: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(limit) = limit else {
        return query.await;
    };
    timeout(limit, query).await.unwrap_or_else(|_| {
        let text = format!("The server has not answered for {limit:?} (database.query.timeout.ms)");
        let error = io::Error::new(ErrorKind::TimedOut, text);
        Err(Error::Io(IoError::Io(error)))
    })
}

impl Session {
    /// Takes a connection over. Until [`Self::known_as`] it is not killed.
    pub fn new(conn: Conn, cut_off: &CutOff, limit: Option<Duration>) -> Self {
        Self {
            conn: Some(conn),
            limit,
            registered: Registered {
                id: None,
                cut_off: cut_off.clone(),
            },
        }
    }

    /// The server lists the session so. Another number than that of the connection is the session of a proxy, which
    /// others may use, too: that one is never killed.
    pub fn known_as(&mut self, id: SessionId) {
        if id.number == self.conn().id() {
            self.registered.id = Some(id);
        }
    }

    /// Says goodbye; nothing is left on the server.
    pub async fn disconnect(mut self) {
        let Some(conn) = self.conn.take() else {
            return;
        };
        // Without it the connection closes all the same: the session ends when the server reads from it.
        let goodbye = AtOnce::new(conn.disconnect());
        if let Ok(Ok(())) = timeout(GOODBYE_LIMIT, goodbye).await {
            self.registered.id = None;
        }
    }

    /// Asks for the binary log on this session.
    pub async fn binlog(
        mut self,
        request: BinlogStreamRequest<'_>,
    ) -> Result<BinlogSession, Error> {
        let conn = self.conn.take().ok_or(DriverError::ConnectionClosed)?;
        let stream = answered(self.limit, AtOnce::new(conn.get_binlog_stream(request))).await?;
        Ok(BinlogSession {
            stream: Some(Box::new(stream)),
            _registered: self.take_registered(),
        })
    }

    fn take_registered(&mut self) -> Registered {
        Registered {
            id: self.registered.id.take(),
            cut_off: self.registered.cut_off.clone(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.registered.id).finish()
    }
}
impl Drop for Session {
    fn drop(&mut self) {
        close(self.conn.take());
    }
}

/// The events of the binary log; its drop closes the socket at once.
pub struct BinlogSession {
    stream: Option<Box<BinlogStream>>,
    _registered: Registered,
}

impl BinlogSession {
    /// The next event; `None` if the server has ended the stream. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Event, StreamError>> {
        let stream = self.stream.as_mut()?;
        // The client library panics on some events that are not as they should be.
        let next = catch_panic("the client library", stream.next());
        let error = match next.await {
            Ok(None) => return None,
            Ok(Some(Ok(event))) => return Some(Ok(event)),
            Ok(Some(Err(error))) => error,
            Err(panic) => {
                let panic = io::Error::other(panic.text().to_owned());
                return Some(Err(StreamError::Unreadable(panic)));
            }
        };
        if is_of_the_connection(&error) || has_ended(stream) {
            return Some(Err(StreamError::Lost(error)));
        }
        Some(Err(StreamError::Unreadable(match error {
            Error::Io(IoError::Io(error)) => error,
            other => io::Error::other(other),
        })))
    }
}

/// Why the stream gave no event.
#[derive(Debug)]
pub enum StreamError {
    /// The connection has ended, or the server says why it sends no more.
    Lost(Error),
    /// What came is no event.
    Unreadable(io::Error),
}

/// Whether an error says by itself that it is not about an event.
fn is_of_the_connection(error: &Error) -> bool {
    match error {
        Error::Io(IoError::Io(error)) => error.raw_os_error().is_some() || is_end(error),
        Error::Driver(DriverError::ConnectionClosed) | Error::Server(_) | Error::Io(_) => true,
        _ => false,
    }
}

/// Whether the stream is at its end. Behind any error of the socket, of TLS (which a peer that is killed leaves without a
/// goodbye) or of the packets' frames the client library says so at once, whatever kind the error itself has; behind an event
/// that it cannot take apart it reads on.
fn has_ended(stream: &mut BinlogStream) -> bool {
    match stream.next().now_or_never() {
        Some(Some(Err(Error::Io(IoError::Io(next))))) => is_end(&next),
        _ => false,
    }
}

/// The client library's word for the end of the connection. Its errors of events that are too short have the same kind.
fn is_end(error: &io::Error) -> bool {
    error.kind() == ErrorKind::UnexpectedEof && error.to_string() == "connection closed"
}

impl fmt::Debug for BinlogSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BinlogSession").finish_non_exhaustive()
    }
}
impl Drop for BinlogSession {
    fn drop(&mut self) {
        close(self.stream.take());
    }
}

/// A runtime that is shut down: it drops what is spawned on it.
static NOWHERE: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers needs no resources");
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    handle
});

/// Drops connections of the client library without the work that they would spawn.
fn close<T>(connection: T) {
    let _nowhere = NOWHERE.enter();
    drop(connection);
}

/// A future of the client library that has a connection inside. Dropped in the middle, it closes the socket at once.
pub struct AtOnce<F>(Option<std::pin::Pin<Box<F>>>);

impl<F> fmt::Debug for AtOnce<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtOnce").finish_non_exhaustive()
    }
}
impl<F> AtOnce<F> {
    pub fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}
impl<F: Future> Future for AtOnce<F> {
    type Output = F::Output;
    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<F::Output> {
        match &mut self.0 {
            Some(future) => future.as_mut().poll(cx),
            None => std::task::Poll::Pending,
        }
    }
}
impl<F> Drop for AtOnce<F> {
    fn drop(&mut self) {
        close(self.0.take());
    }
}

#[cfg(test)]
mod tests;
