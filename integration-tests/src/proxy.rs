//! A network that fails: a TCP proxy between a client and a server on loopback, which cuts, stalls or garbles connections at
//! a byte of one's choice.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// What happens to a connection once this many bytes have passed in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both sides see its end.
    Cut(Direction, u64),
    /// Nothing more passes in this direction; the connection stays open until one of them closes it.
    Stall(Direction, u64),
    /// Bytes that mean nothing take the place of what follows, as many of them.
    Garble(Direction, u64),
}

impl Fault {
    fn at(self, direction: Direction) -> Option<u64> {
        let (Self::Cut(of, after) | Self::Stall(of, after) | Self::Garble(of, after)) = self;
        (of == direction).then_some(after)
    }
}

/// What the proxy has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that clients have opened.
    pub connections: usize,
    /// Faults that came into effect.
    pub struck: usize,
    /// Bytes that passed in all connections.
    pub to_server: u64,
    pub to_client: u64,
}

#[derive(Debug, Default)]
struct State {
    faults: VecDeque<Fault>,
    traffic: Traffic,
}

/// A proxy on a free loopback port. Its connections end with it. It lives on the runtime that starts it.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    state: Arc<Mutex<State>>,
    /// Counts the calls of [`Self::cut_all`]; connections of earlier times end.
    age: watch::Sender<u64>,
    _connections: JoinSet<()>,
}

impl FaultProxy {
    pub async fn start(server_port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State::default()));
        let (age, ages) = watch::channel(0);
        let mut connections = JoinSet::new();
        let shared = Arc::clone(&state);
        connections.spawn(async move {
            // They end with the listener.
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while open.try_join_next().is_some() {}
                let fault = {
                    let mut state = locked(&shared);
                    state.traffic.connections += 1;
                    state.faults.pop_front()
                };
                let (shared, mut ages) = (Arc::clone(&shared), ages.clone());
                ages.mark_unchanged();
                open.spawn(async move {
                    let passed = pass(client, server_port, fault, &shared);
                    tokio::select! {
                        // Both sides learn of an error by the end of their connection.
                        _ = passed => {}
                        _ = ages.changed() => {}
                    }
                });
            }
        });
        Ok(Self {
            port,
            state,
            age,
            _connections: connections,
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next connections have these faults, one each in this order; those after them have none.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        locked(&self.state).faults = faults.into_iter().collect();
    }

    /// Faults that wait for a connection.
    pub fn waiting(&self) -> usize {
        locked(&self.state).faults.len()
    }

    /// Cuts all connections that are open.
    pub fn cut_all(&self) {
        self.age.send_modify(|age| *age += 1);
    }

    pub fn traffic(&self) -> Traffic {
        locked(&self.state).traffic
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes bytes until a side or a fault ends the connection.
async fn pass(
    client: TcpStream,
    server_port: u16,
    fault: Option<Fault>,
    state: &Mutex<State>,
) -> Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server_port));
    let server = server.await.context("the server does not answer")?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The end of either direction ends both: that is a cut, and databases have no half-closed connections.
    tokio::select! {
        ended = pass_one_way(from_client, to_server, Direction::ToServer, fault, state) => ended?,
        ended = pass_one_way(from_server, to_client, Direction::ToClient, fault, state) => ended?,
    }
    Ok(())
}

async fn pass_one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    fault: Option<Fault>,
    state: &Mutex<State>,
) -> io::Result<()> {
    let fault = fault.and_then(|fault| Some((fault, fault.at(direction)?)));
    let mut buffer = vec![0; 16 << 10];
    let mut passed = 0;
    let mut has_struck = false;
    loop {
        if let Some((fault, after)) = fault
            && passed == after
            && !has_struck
        {
            has_struck = true;
            locked(state).traffic.struck += 1;
            match fault {
                Fault::Cut(..) => return Ok(()),
                Fault::Stall(..) => {
                    // What comes is lost; that the sender gives up is not, or its session would hold its locks for ever.
                    while from.read(&mut buffer).await? > 0 {}
                    return Ok(());
                }
                Fault::Garble(..) => {}
            }
        }
        // Not beyond the byte of the fault.
        let room = match fault {
            Some((_, after)) if !has_struck => usize::try_from(after - passed)
                .unwrap_or(usize::MAX)
                .min(buffer.len()),
            _ => buffer.len(),
        };
        let length = from.read(&mut buffer[..room]).await?;
        if length == 0 {
            return Ok(());
        }
        if has_struck {
            garble(&mut buffer[..length], passed);
        }
        to.write_all(&buffer[..length]).await?;
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        passed += length;
        let traffic = &mut locked(state).traffic;
        match direction {
            Direction::ToServer => traffic.to_server += length,
            Direction::ToClient => traffic.to_client += length,
        }
    }
}

/// Bytes without a pattern, the same in every run: they depend on their place alone.
fn garble(bytes: &mut [u8], place: u64) {
    for (byte, place) in bytes.iter_mut().zip(place..) {
        let mixed = (place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        *byte = mixed.to_be_bytes()[0];
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that says back what it hears.
    async fn echo() -> Result<(u16, JoinSet<()>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                open.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        Ok((port, tasks))
    }

    /// What comes back of a text until the connection ends; `None` if it stays open and silent.
    async fn said(proxy: &FaultProxy, text: &[u8]) -> Result<(Vec<u8>, bool)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await?;
        let mut heard = Vec::new();
        // It may be cut before it is written.
        stream.write_all(text).await.ok();
        let mut buffer = [0; 64];
        let is_open = loop {
            let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut buffer));
            match read.await {
                Ok(Ok(0) | Err(_)) => break false,
                Ok(Ok(length)) => heard.extend_from_slice(&buffer[..length]),
                Err(_) => break true,
            }
        };
        Ok((heard, is_open))
    }

    const TEXT: &[u8] = b"0123456789";

    #[tokio::test]
    async fn connections_without_a_fault_pass_everything() -> Result<()> {
        let (port, _echo) = echo().await?;
        let proxy = FaultProxy::start(port).await?;
        assert_eq!(said(&proxy, TEXT).await?, (TEXT.to_vec(), true));
        let expected = Traffic {
            connections: 1,
            struck: 0,
            to_server: 10,
            to_client: 10,
        };
        assert_eq!(proxy.traffic(), expected);
        Ok(())
    }

    #[tokio::test]
    async fn faults_strike_at_their_byte_and_once() -> Result<()> {
        let (port, _echo) = echo().await?;
        let proxy = FaultProxy::start(port).await?;
        for at in 0..10_u64 {
            let length = usize::try_from(at)?;
            for (fault, is_open) in [
                (Fault::Cut(Direction::ToClient, at), false),
                (Fault::Stall(Direction::ToClient, at), true),
                (Fault::Stall(Direction::ToServer, at), true),
            ] {
                proxy.inject([fault]);
                let heard = said(&proxy, TEXT).await?;
                assert_eq!(heard, (TEXT[..length].to_vec(), is_open), "{fault:?}");
            }
        }
        assert_eq!(proxy.traffic().struck, 30);
        assert_eq!(said(&proxy, TEXT).await?, (TEXT.to_vec(), true));
        Ok(())
    }

    #[tokio::test]
    async fn garbage_has_the_length_of_what_it_replaces() -> Result<()> {
        let (port, _echo) = echo().await?;
        let proxy = FaultProxy::start(port).await?;
        proxy.inject([Fault::Garble(Direction::ToClient, 4)]);
        let (heard, is_open) = said(&proxy, TEXT).await?;
        assert!(is_open);
        assert_eq!((heard.len(), &heard[..4]), (10, &TEXT[..4]));
        assert_ne!(heard[4..], TEXT[4..]);
        Ok(())
    }

    #[tokio::test]
    async fn all_open_connections_are_cut_at_once() -> Result<()> {
        let (port, _echo) = echo().await?;
        let proxy = FaultProxy::start(port).await?;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await?;
        stream.write_all(b"a").await?;
        let mut buffer = [0; 8];
        assert_eq!(stream.read(&mut buffer).await?, 1);
        proxy.cut_all();
        assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0);
        assert_eq!(said(&proxy, TEXT).await?, (TEXT.to_vec(), true));
        Ok(())
    }
}
