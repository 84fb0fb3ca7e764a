//! The buffer that one record is written into, and then used again.

use bytes::Bytes;

/// Short constants are copied at this width, whatever their length: a copy of a known width is a few instructions, one of
/// an unknown width is a call.
const WIDTH: usize = 32;
/// A larger buffer is given back after use.
const KEPT_BYTES: usize = 1024 * 1024;

/// Grows as needed. Behind `len` there are always [`WIDTH`] bytes that may be written over.
#[derive(Debug, Default)]
pub(crate) struct Out {
    /// Initialised as far as it reaches.
    buffer: Vec<u8>,
    len: usize,
}

impl Out {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
    pub(crate) fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_slice())
    }
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        if self.buffer.len() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
    }

    /// The next `count` bytes and room behind them.
    #[inline]
    fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.len + count + WIDTH;
        if self.buffer.len() < end {
            self.grow(end);
        }
        &mut self.buffer[self.len..]
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.buffer.resize(end.next_power_of_two(), 0);
    }

    #[inline]
    pub(crate) fn put_u8(&mut self, byte: u8) {
        self.room(1)[0] = byte;
        self.len += 1;
    }

    #[inline]
    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    #[inline]
    pub(crate) fn put_constant(&mut self, constant: &Constant) {
        match &constant.long {
            None => {
                self.room(WIDTH)[..WIDTH].copy_from_slice(&constant.short);
                self.len += constant.len;
            }
            Some(long) => self.put_slice(long),
        }
    }

    /// Up to `most` bytes from `write`, which returns how many there are.
    pub(crate) fn put_with(&mut self, most: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let written = write(&mut self.room(most)[..most]);
        self.len += written;
    }
}

/// Bytes that are written again and again.
#[derive(Debug)]
pub(crate) struct Constant {
    short: [u8; WIDTH],
    len: usize,
    /// If they are more than [`WIDTH`].
    long: Option<Bytes>,
}

impl Constant {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut short = [0; WIDTH];
        let long = match short.get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                None
            }
            None => Some(Bytes::copy_from_slice(bytes)),
        };
        Self {
            short,
            len: bytes.len(),
            long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_follows_what_was_put() {
        let mut out = Out::default();
        let long = "x".repeat(WIDTH + 1);
        for _ in 0..100 {
            out.put_constant(&Constant::new(b"ab"));
            out.put_u8(b'c');
            out.put_slice(b"de");
            out.put_constant(&Constant::new(long.as_bytes()));
            out.put_with(10, |room| {
                room[0] = b'f';
                1
            });
        }
        let expected = format!("abcde{long}f").repeat(100);
        assert_eq!(out.as_slice(), expected.as_bytes());
        out.clear();
        assert_eq!(out.to_bytes(), Bytes::new());
    }
}
