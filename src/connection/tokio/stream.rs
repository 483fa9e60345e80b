//! The streams under async connections: TCP, TLS over it, or a socket of this machine.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::select_ok;
use redis::{ConnectionAddr, RedisResult};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::outstanding::Outstanding;
use crate::connection::connector::Connector;
use crate::connection::framing::Framing;

/// A stream to a server, of any kind.
pub(crate) trait AsyncStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> AsyncStream for S {}

/// Opens a stream to the server of `connector` that counts its progress in `outstanding`. The
/// server may be silent for `silence` during a handshake.
#[cfg_attr(not(feature = "tls"), expect(unused_variables))]
pub(crate) async fn open(
    connector: &Connector,
    outstanding: Arc<Outstanding>,
    silence: Duration,
) -> RedisResult<Box<dyn AsyncStream>> {
    match connector.information().addr() {
        ConnectionAddr::Tcp(host, port) => {
            Ok(Box::new(Metered::new(connect(host, *port).await?, outstanding)))
        }
        #[cfg(feature = "tls")]
        ConnectionAddr::TcpTls { host, port, .. } => {
            let tls = connector.tls.clone().ok_or(io::Error::from(io::ErrorKind::Unsupported))?;
            let name = rustls::pki_types::ServerName::try_from(host.clone());
            let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            let progress = Arc::new(Outstanding::one());
            let stream = Metered {
                framing: None,
                ..Metered::new(connect(host, *port).await?, progress.clone())
            };
            let handshake = redis_collections_tokio::TlsConnector::from(tls).connect(name, stream);
            let stream = progress.unless_silent(silence, handshake).await??;
            // Bytes that TLS itself sends, such as the end of the session, are no progress.
            Ok(Box::new(Metered::new(stream, outstanding)))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await?;
            Ok(Box::new(Metered::new(stream, outstanding)))
        }
        _ => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    }
}

/// Connects to the first of the host's addresses that accepts, all of which are tried at once.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port)).await?;
    let attempts: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
    if attempts.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    let (stream, _others) = select_ok(attempts).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A stream that observes the framing of incoming bytes, and counts its progress: bytes that arrive,
/// and bytes that are sent after the socket had refused them. Bytes that are sent immediately prove
/// nothing, for they may only have entered a buffer of this machine.
struct Metered<S> {
    stream: S,
    /// `None` for bytes that are encrypted.
    framing: Option<Framing>,
    outstanding: Arc<Outstanding>,
    is_blocked: bool,
}

impl<S> Metered<S> {
    fn new(stream: S, outstanding: Arc<Outstanding>) -> Self {
        Self { stream, framing: Some(Framing::default()), outstanding, is_blocked: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            self.outstanding.count_arrival();
        }
        Poll::Ready(self.framing.as_mut().map_or(Ok(()), |framing| framing.follow(read)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        let was_blocked = std::mem::replace(&mut self.is_blocked, written.is_pending());
        if was_blocked && matches!(written, Poll::Ready(Ok(1..))) {
            self.outstanding.count_progress();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
