//! A network between a connector and its server that falls silent, or alters an event.

use std::sync::Arc;

use anyhow::Result;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// An event that has this in it is altered.
const POISON: &[u8] = b"POISON";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    Works,
    /// Connections stay open, new ones are accepted, and no byte passes.
    Silent,
    /// Events with the word `POISON` say that they are longer than they are.
    Alters,
}

/// Ends with the test.
pub(crate) struct Relay {
    pub(crate) port: u16,
    network: Arc<watch::Sender<Network>>,
    work: tokio::task::JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Relay {
    /// Leads to the server at `port`.
    #[allow(clippy::disallowed_methods, reason = "its owner aborts it")]
    pub(crate) async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (network, state) = watch::channel(Network::Works);
        Ok(Self {
            port: listener.local_addr()?.port(),
            network: Arc::new(network),
            work: tokio::spawn(accept(listener, port, state)),
        })
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

async fn accept(listener: TcpListener, port: u16, state: watch::Receiver<Network>) {
    let mut sessions = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                sessions.push(pass_on(client, port, state.clone()));
            },
            // Either side may end a session as it likes.
            Some(_) = sessions.next() => {}
        }
    }
}

async fn pass_on(
    client: TcpStream,
    port: u16,
    mut state: watch::Receiver<Network>,
) -> std::io::Result<()> {
    state
        .wait_for(|network| *network != Network::Silent)
        .await
        .ok();
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        packets(from_client, to_server, state.clone()),
        packets(from_server, to_client, state),
    )?;
    Ok(())
}

/// Passes packets on: three bytes of length, a number, the payload.
async fn packets(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<Network>,
) -> std::io::Result<()> {
    let mut head = [0; 4];
    loop {
        from.read_exact(&mut head).await?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let mut payload = vec![0; length as usize];
        from.read_exact(&mut payload).await?;
        let network = state.wait_for(|network| *network != Network::Silent).await;
        if network.is_ok_and(|network| *network == Network::Alters) {
            alter(&mut payload);
        }
        to.write_all(&head).await?;
        to.write_all(&payload).await?;
    }
}

/// Behind a byte of status an event has its time, type and server, nine bytes, and its size.
fn alter(payload: &mut [u8]) {
    let is_poisoned = payload.windows(POISON.len()).any(|bytes| bytes == POISON);
    if is_poisoned
        && payload.first() == Some(&0)
        && let Some(size) = payload.get_mut(10..14)
    {
        size[1] = size[1].wrapping_add(4);
    }
}
