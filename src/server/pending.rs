//! Writing what a connection has for its peer: the write buffer, with large values in their places, which are not copied.
//!
//! How much still waits is told to others while the peer takes it ([`ClientFigures`]).

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::instance::clients::ClientFigures;
use crate::resp::Blob;

/// So many pieces are written at once, at the most.
const MAX_PIECES: usize = 16;

/// Writes `buffer` with the large values of `blobs` in their places.
pub(super) async fn write_pending<S: AsyncWrite + Unpin>(
    stream: &mut S,
    buffer: &[u8],
    blobs: &[Blob],
    figures: &ClientFigures,
) -> io::Result<()> {
    if blobs.is_empty() {
        write_bytes(stream, buffer, &figures.output_bytes).await?;
        return stream.flush().await;
    }
    let pieces = Pieces { buffer, blobs };
    // The piece to be written next, and how much of it has been.
    let (mut at, mut done) = (0, 0);
    while at < pieces.len() {
        let mut slices = [IoSlice::new(&[]); MAX_PIECES];
        let count = slices.len().min(pieces.len() - at);
        for (slice, piece) in slices.iter_mut().zip(at..at + count) {
            let skipped = if piece == at { done } else { 0 };
            *slice = IoSlice::new(&pieces.get(piece)[skipped..]);
        }
        let mut written = stream.write_vectored(&slices[..count]).await?;
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        if written == 0 && wanted > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        for slice in &slices[..count] {
            let part = written.min(slice.len());
            written -= part;
            let is_value = at % 2 == 1;
            let waiting = match is_value {
                true => &figures.output_value_bytes,
                false => &figures.output_bytes,
            };
            lower(waiting, part);
            if part < slice.len() {
                done += part;
                break;
            }
            lower(&figures.output_values, usize::from(is_value));
            (at, done) = (at + 1, 0);
        }
    }
    stream.flush().await
}

/// What waits in the order in which it is written: what is between the large values, and each of them.
struct Pieces<'a> {
    buffer: &'a [u8],
    blobs: &'a [Blob],
}

impl<'a> Pieces<'a> {
    fn len(&self) -> usize {
        2 * self.blobs.len() + 1
    }

    fn get(&self, at: usize) -> &'a [u8] {
        let index = at / 2;
        if at % 2 == 1 {
            return &self.blobs[index].bytes;
        }
        let place = |index: usize| self.blobs.get(index).map(|blob| blob.at);
        let start = index.checked_sub(1).and_then(place).unwrap_or(0);
        &self.buffer[start..place(index).unwrap_or(self.buffer.len())]
    }
}

/// Writes `bytes`; `waiting` is lowered by what the peer has room for, as it has it.
async fn write_bytes<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut bytes: &[u8],
    waiting: &AtomicUsize,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = stream.write(bytes).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        lower(waiting, written);
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Tells others how much waits to be written; returns the bytes.
pub(super) fn publish_pending(figures: &ClientFigures, buffered: usize, blobs: &[Blob]) -> usize {
    let values: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
    figures.output_bytes.store(buffered, Ordering::Relaxed);
    figures.output_values.store(blobs.len(), Ordering::Relaxed);
    figures.output_value_bytes.store(values, Ordering::Relaxed);
    raise(&figures.output_peak_bytes, buffered);
    buffered + values
}

/// Lowers a figure that only its connection changes.
fn lower(figure: &AtomicUsize, by: usize) {
    figure.store(
        figure.load(Ordering::Relaxed).saturating_sub(by),
        Ordering::Relaxed,
    );
}

/// Raises a figure that only its connection raises to `value`.
pub(super) fn raise(peak: &AtomicUsize, value: usize) {
    if value > peak.load(Ordering::Relaxed) {
        peak.store(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use super::*;

    /// A peer that takes so many bytes at a time, and says how often it was written to.
    struct Peer {
        taken: Vec<u8>,
        most: usize,
        writes: usize,
    }

    impl Peer {
        fn taking(most: usize) -> Self {
            let (taken, writes) = (Vec::new(), 0);
            Peer {
                taken,
                most,
                writes,
            }
        }
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(context, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = bytes.len().min(self.most);
            self.taken.extend_from_slice(&bytes[..count]);
            self.writes += 1;
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The blobs of texts at places of a buffer.
    fn blobs(values: &[(usize, &str)]) -> Vec<Blob> {
        let blob = |&(at, text): &(usize, &str)| Blob {
            at,
            bytes: Arc::new(text.into()),
        };
        values.iter().map(blob).collect()
    }

    /// What a peer gets that takes so many bytes at a time, and in how many writes.
    async fn written(buffer: &str, blobs: &[Blob], most: usize) -> (String, usize) {
        let figures = ClientFigures::default();
        publish_pending(&figures, buffer.len(), blobs);
        let mut peer = Peer::taking(most);
        let outcome = write_pending(&mut peer, buffer.as_bytes(), blobs, &figures).await;
        outcome.expect("the peer takes all");
        let waiting = [
            &figures.output_bytes,
            &figures.output_values,
            &figures.output_value_bytes,
        ];
        assert!(waiting.iter().all(|it| it.load(Ordering::Relaxed) == 0));
        let text = String::from_utf8(peer.taken).expect("it is text");
        (text, peer.writes)
    }

    #[tokio::test]
    async fn values_come_in_their_places_however_little_the_peer_takes() {
        for (values, want) in [
            (vec![], "[()]"),
            (vec![(2, "one")], "[(one)]"),
            (
                vec![(0, "one"), (2, "two"), (2, ""), (4, "three")],
                "one[(two)]three",
            ),
        ] {
            let blobs = blobs(&values);
            for most in 1..=want.len() {
                assert_eq!(
                    written("[()]", &blobs, most).await.0,
                    want,
                    "{most} at a time"
                );
            }
            assert_eq!(written("[()]", &blobs, 100).await, (want.to_owned(), 1));
        }
        let many = blobs(&[(2, "x"); MAX_PIECES]);
        let (text, writes) = written("[()]", &many, 100).await;
        assert_eq!((text.as_str(), writes), ("[(xxxxxxxxxxxxxxxx)]", 3));
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_an_error() {
        let figures = ClientFigures::default();
        let blobs = blobs(&[(1, "value")]);
        let outcome = write_pending(&mut Peer::taking(0), b"()", &blobs, &figures).await;
        assert_eq!(
            outcome.map_err(|error| error.kind()),
            Err(io::ErrorKind::WriteZero)
        );
    }
}
