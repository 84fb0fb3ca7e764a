//! Streams of a server that is cut off, or that sends what is no event.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use mysql_async::{OptsBuilder, SslOpts};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslStream};
use openssl::x509::X509;
use tokio::task::JoinHandle;

use super::*;

const COM_BINLOG_DUMP: u8 = 0x12;
const COM_STMT_PREPARE: u8 = 0x16;
const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];
/// A packet of the stream that is too short for an event.
const NO_EVENT: [u8; 3] = [0, 1, 2];

fn read_packet(socket: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    socket.read_exact(&mut head)?;
    let [low, middle, high, number] = head;
    let mut body =
        vec![0; usize::from(low) + (usize::from(middle) << 8) + (usize::from(high) << 16)];
    socket.read_exact(&mut body)?;
    Ok((number, body))
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).expect("a short packet");
    [&[length, 0, 0, number], body].concat()
}

/// The server's first packet; it authenticates by `mysql_native_password`.
fn greeting(has_tls: bool) -> Vec<u8> {
    const LONG_PASSWORD: u32 = 1;
    const PROTOCOL_41: u32 = 0x200;
    const SSL: u32 = 0x800;
    const SECURE_CONNECTION: u32 = 0x8000;
    const PLUGIN_AUTH: u32 = 0x8_0000;
    let tls = if has_tls { SSL } else { 0 };
    let flags = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | tls;
    let [a, b, c, d] = flags.to_le_bytes();
    let mut body = b"\x0a8.4.0\0\x07\0\0\0saltsalt\0".to_vec();
    body.extend([a, b, 45, 2, 0, c, d, 21]);
    body.extend([0; 10]);
    body.extend(b"saltsaltsalt\0mysql_native_password\0");
    packet(0, &body)
}

/// Answers everything, up to the first of the commands in `last`: there it sends `answer`.
fn serve(socket: &mut (impl Read + Write), last: &[u8], answer: &[u8]) -> io::Result<()> {
    loop {
        let (number, command) = read_packet(socket)?;
        if number == 0
            && command
                .first()
                .is_some_and(|command| last.contains(command))
        {
            return socket.write_all(answer);
        }
        socket.write_all(&packet(number + 1, &OK))?;
    }
}

fn encrypted(mut socket: TcpStream) -> SslStream<TcpStream> {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut certificate = X509::builder().unwrap();
    certificate.set_pubkey(&key).unwrap();
    let (begin, end) = (
        Asn1Time::days_from_now(0).unwrap(),
        Asn1Time::days_from_now(1).unwrap(),
    );
    certificate.set_not_before(&begin).unwrap();
    certificate.set_not_after(&end).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate.build()).unwrap();
    read_packet(&mut socket).unwrap();
    let mut stream = SslStream::new(Ssl::new(acceptor.build().context()).unwrap(), socket).unwrap();
    stream.accept().unwrap();
    stream
}

/// A session on a server that sends `answer` to its last command and then closes its socket, or gives it back.
async fn session(
    answer: &[u8],
    has_tls: bool,
    closes: bool,
) -> (Session, JoinHandle<Option<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.to_vec();
    let server = tokio::task::spawn_blocking(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&greeting(has_tls)).unwrap();
        let open = socket.try_clone().unwrap();
        let last = [COM_BINLOG_DUMP, COM_STMT_PREPARE];
        if has_tls {
            serve(&mut encrypted(socket), &last, &answer).unwrap();
        } else {
            serve(&mut socket, &last, &answer).unwrap();
        }
        (!closes).then_some(open)
    });
    let tls = has_tls.then(|| SslOpts::default().with_danger_accept_invalid_certs(true));
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("u"))
        .prefer_socket(false)
        .max_allowed_packet(Some(1 << 20))
        .wait_timeout(Some(1))
        .ssl_opts(tls);
    let conn = Conn::new(options).await.unwrap();
    (Session::new(conn, &CutOff::default(), None), server)
}

/// What the stream says of a server that sends `log` and then closes its socket or leaves it open.
async fn error_behind(log: &[u8], has_tls: bool, closes: bool) -> StreamError {
    let (session, server) = session(log, has_tls, closes).await;
    let mut events = session.binlog(BinlogStreamRequest::new(1)).await.unwrap();
    let _open = server.await.unwrap();
    events.next().await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_connection_that_is_cut_is_lost_and_no_unreadable_event() {
    let cut_packet = &packet(1, &[0; 100])[..20];
    for (log, has_tls) in [
        (cut_packet, false),
        (&[], false),
        (cut_packet, true),
        (&[], true),
    ] {
        let error = error_behind(log, has_tls, true).await;
        let length = log.len();
        assert!(
            matches!(error, StreamError::Lost(_)),
            "TLS {has_tls}, {length} bytes: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_event_is_unreadable() {
    let two = [packet(1, &NO_EVENT), packet(2, &NO_EVENT)].concat();
    for log in [packet(1, &NO_EVENT), two, packet(1, b"\x07")] {
        for has_tls in [false, true] {
            let error = error_behind(&log, has_tls, false).await;
            assert!(
                matches!(error, StreamError::Unreadable(_)),
                "TLS {has_tls}, {log:?}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_that_was_cut_off_is_remembered_until_the_server_has_answered() {
    let refused = [
        &[0xff][..],
        &1142_u16.to_le_bytes(),
        b"#42000SELECT command denied",
    ]
    .concat();
    for (answer, is_answered) in [(packet(1, &refused), true), (Vec::new(), false)] {
        let (mut conn, server) = session(&answer, false, !is_answered).await;
        let cut_off = CutOff::default();
        cut_off.ids().push(SessionId {
            number: 42,
            host: "localhost:1".to_owned(),
        });
        let ended = cut_off.end(&mut conn).await;
        assert_eq!(ended.is_ok(), is_answered, "{ended:?}");
        assert_eq!(cut_off.to_string(), if is_answered { "" } else { "42" });
        drop(server.await.unwrap());
    }
}
